//! Which backend answers: the module, or the script where there is none.

use ratelog_client::command::Override;
use ratelog_client::limiter::{Backend, State};
use ratelog_client::{Checks, Cost, Error, Mode, Policy, Source, script};
use ratelog_test_support::{Client, Module, Server};

use crate::support::{brisk, connection, policy_name, rule, rules, until, url};

fn without_module() -> Server {
    Server::configured(Module::Absent, &["enable-module-command yes"])
}

/// How many commands the server did not know.
fn unknown_commands(db: &mut Client) -> usize {
    let errors: String = db.run("INFO errorstats");
    let count = errors.lines().find_map(|line| line.strip_prefix("errorstat_ERR:count="));
    count.map_or(0, |count| count.trim().parse().unwrap())
}

#[tokio::test]
async fn a_server_without_the_module_is_noticed_once() {
    let server = without_module();
    let mut db = server.connect();
    let limiter = brisk(&url(&server)).build().await.unwrap();
    assert!(limiter.health().uses_script);
    let noticed = unknown_commands(&mut db);
    let two = rules(&[(2, 60_000), (9, 3_600_000)]);
    for allowed in [true, true, false, false] {
        let decision = limiter.check("k", &two).await.unwrap();
        assert_eq!((decision.allowed(), decision.source()), (allowed, Source::Script));
    }
    assert!(!limiter.peek("k", &two).await.unwrap().allowed());
    let checks = Checks::new(Cost::ONE, "a", rule(1, 60_000)).and("b", rule(1, 60_000));
    for allowed in [true, false] {
        let decisions = limiter.mcheck(&checks).await.unwrap();
        assert!(decisions.iter().all(|decision| decision.allowed() == allowed), "{decisions:?}");
    }
    assert_eq!(limiter.refund("k", Cost::ONE).await.unwrap(), 1);
    assert_eq!(limiter.reset("k").await.unwrap(), 1);
    assert_eq!(unknown_commands(&mut db), noticed);
}

#[tokio::test]
async fn a_script_that_the_server_forgot_is_given_again() {
    let server = without_module();
    let limiter = brisk(&url(&server)).build().await.unwrap();
    let two = rules(&[(2, 60_000)]);
    for remaining in [1, 0] {
        server.connect().run::<()>("SCRIPT FLUSH");
        assert_eq!(limiter.check("k", &two).await.unwrap().remaining(), remaining);
    }
    assert_eq!(limiter.health().opened, 0);
}

#[tokio::test]
async fn policies_given_to_the_limiter_serve_without_the_module_and_the_rest_needs_it() {
    let server = without_module();
    let (api, tried) = (policy_name("api"), policy_name("tried"));
    let policy = |mode| Policy { rules: rules(&[(1, 60_000), (5, 3_600_000)]), mode };
    let limiter = brisk(&url(&server))
        .policy(api.clone(), policy(Mode::Enforce))
        .policy(tried.clone(), policy(Mode::Shadow))
        .build()
        .await
        .unwrap();
    for allowed in [true, false] {
        assert_eq!(limiter.check("k", &api).await.unwrap().allowed(), allowed);
        assert!(limiter.check("t", &tried).await.unwrap().allowed());
    }
    let both = Checks::new(Cost::ONE, "k2", &api).and("t2", &tried);
    for allowed in [true, false] {
        let decisions = limiter.mcheck(&both).await.unwrap();
        assert_eq!((decisions[0].allowed(), decisions[1].allowed()), (allowed, true));
    }
    let unknown = limiter.check("k", &policy_name("unknown")).await.unwrap_err();
    assert!(matches!(unknown, Error::NoPolicy(_)), "{unknown:?}");
    let refused = limiter.set_override("k", &Override::DENY).await.unwrap_err();
    assert!(matches!(refused, Error::NeedsModule(_)), "{refused:?}");
    assert_eq!(limiter.health().state, State::Closed);
}

#[tokio::test]
async fn a_module_that_is_loaded_later_is_found_with_the_next_connection() {
    let server = without_module();
    let limiter = brisk(&url(&server)).build().await.unwrap();
    let nine = rules(&[(9, 60_000)]);
    assert_eq!(limiter.check("k", &nine).await.unwrap().source(), Source::Script);
    let mut admin = server.connect();
    admin.run::<()>(&format!("MODULE LOAD {}", Server::module_path()));
    admin.run::<i64>("CLIENT KILL TYPE normal SKIPME yes");
    until("the module answers", async || {
        limiter.check("k", &nine).await.unwrap().source() == Source::Module
    })
    .await;
}

#[tokio::test]
async fn a_backend_that_was_named_is_used_and_no_other() {
    let (with, without) = (Server::start(), without_module());
    let nine = rules(&[(9, 60_000)]);
    let script = brisk(&url(&with)).backend(Backend::Script).build().await.unwrap();
    assert_eq!(script.check("k", &nine).await.unwrap().source(), Source::Script);
    let module = brisk(&url(&without)).backend(Backend::Module).build().await.unwrap();
    let refused = module.check("k", &nine).await.unwrap_err();
    assert!(refused.to_string().contains("unknown command"), "{refused}");
}

#[tokio::test]
async fn a_denial_of_the_script_is_forgotten_when_anybody_changes_the_key() {
    let server = without_module();
    let limiter = brisk(&url(&server)).deny_cache(100).build().await.unwrap();
    let one = rules(&[(1, 60_000)]);
    let client = redis::Client::open(url(&server)).unwrap();
    let mut other = connection(&client).await;
    limiter.check("k", &one).await.unwrap();
    until("the denial is remembered", async || {
        limiter.check("k", &one).await.unwrap().source() == Source::DenyCache
    })
    .await;
    assert_eq!(script::run(&mut other, &script::reset("k")).await.unwrap(), 1);
    until("the denial is forgotten", async || limiter.check("k", &one).await.unwrap().allowed())
        .await;
}
