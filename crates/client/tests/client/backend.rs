//! The backend that answers: the module, or the script if the server does not have the module.

use std::num::NonZeroU32;
use std::time::Duration;

use ratelog_client::command::Override;
use ratelog_client::limiter::{Backend, BreakerState};
use ratelog_client::{Check, Checks, Cost, Decision, Error, Mode, Policy, Source, script};
use ratelog_client_core::Clock;
use ratelog_client_core::engine::hash_slot;
use ratelog_client_core::script::log_of_key;
use ratelog_core::Instant;
use ratelog_test_support::{Client, Cluster, Module, Server};

use crate::support::{connection, fast_probes, policy_name, rule, rules, until, url};

fn without_module() -> Server {
    Server::configured(Module::Absent, &["enable-module-command yes"])
}

/// The number of commands that the server did not know.
fn unknown_commands(db: &mut Client) -> usize {
    let errors: String = db.run("INFO errorstats");
    let count = errors.lines().find_map(|line| line.strip_prefix("errorstat_ERR:count="));
    count.map_or(0, |count| count.trim().parse().unwrap())
}

#[tokio::test]
async fn the_missing_module_is_detected_once() {
    let server = without_module();
    let mut db = server.connect();
    let limiter = fast_probes(&url(&server)).build().await.unwrap();
    assert!(limiter.health().uses_script);
    let before = unknown_commands(&mut db);
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
    assert_eq!(unknown_commands(&mut db), before);
}

#[tokio::test]
async fn the_script_is_loaded_again_after_the_server_forgot_it() {
    let server = without_module();
    let limiter = fast_probes(&url(&server)).build().await.unwrap();
    let two = rules(&[(2, 60_000)]);
    for remaining in [1, 0] {
        server.connect().run::<()>("SCRIPT FLUSH");
        assert_eq!(limiter.check("k", &two).await.unwrap().remaining(), remaining);
    }
    assert_eq!(limiter.health().opened, 0);
}

#[tokio::test]
async fn configured_policies_work_without_the_module_and_other_features_need_it() {
    let server = without_module();
    let (api, shadow) = (policy_name("api"), policy_name("shadow"));
    let policy = |mode| Policy { rules: rules(&[(1, 60_000), (5, 3_600_000)]), mode };
    let limiter = fast_probes(&url(&server))
        .policy(api.clone(), policy(Mode::Enforce))
        .policy(shadow.clone(), policy(Mode::Shadow))
        .build()
        .await
        .unwrap();
    for allowed in [true, false] {
        assert_eq!(limiter.check("k", &api).await.unwrap().allowed(), allowed);
        assert!(limiter.check("t", &shadow).await.unwrap().allowed());
    }
    let both = Checks::new(Cost::ONE, "k2", &api).and("t2", &shadow);
    for allowed in [true, false] {
        let decisions = limiter.mcheck(&both).await.unwrap();
        assert_eq!((decisions[0].allowed(), decisions[1].allowed()), (allowed, true));
    }
    // A shadow policy prevents nothing, also if its log is wrong.
    server.connect().run::<()>("SET t3:ratelog-log x");
    let decisions = limiter.mcheck(&Checks::new(Cost::ONE, "t3", &shadow).and("k3", &api)).await;
    let sources: Vec<_> =
        decisions.unwrap().iter().map(|decision| (decision.allowed(), decision.source())).collect();
    assert_eq!(sources, [(true, Source::Fallback), (true, Source::Script)]);
    let two = rules(&[(2, 60_000), (9, 3_600_000)]);
    let checks = [("t3", Check::from(&shadow)), ("k4", Check::from(&two))];
    let decisions = limiter.check_all(checks).await.unwrap();
    let sources = [decisions[0].source(), decisions[1].source()];
    assert_eq!((sources, decisions[1].remaining()), ([Source::Fallback, Source::Script], 1));
    let unknown = limiter.check("k", &policy_name("unknown")).await.unwrap_err();
    assert!(matches!(unknown, Error::NoPolicy(_)), "{unknown:?}");
    let error = limiter.set_override("k", &Override::DENY).await.unwrap_err();
    assert!(matches!(error, Error::NeedsModule(_)), "{error:?}");
    assert_eq!(limiter.health().state, BreakerState::Closed);
}

#[tokio::test]
async fn an_error_that_needs_no_server_is_no_answer_of_it() {
    let server = without_module();
    let limiter = fast_probes(&url(&server))
        .timeout(Duration::from_millis(50))
        .failure_threshold(NonZeroU32::new(3).unwrap())
        .build()
        .await
        .unwrap();
    server.pause();
    for _ in 0..3 {
        assert_eq!(limiter.health().state, BreakerState::Closed);
        let unknown = limiter.check("k", &policy_name("unknown")).await.unwrap_err();
        assert!(matches!(unknown, Error::NoPolicy(_)), "{unknown:?}");
        let error = limiter.set_override("k", &Override::DENY).await.unwrap_err();
        assert!(matches!(error, Error::NeedsModule(_)), "{error:?}");
        let decision = limiter.check("k", &rules(&[(9, 60_000)])).await.unwrap();
        assert_eq!(decision.source(), Source::Local);
    }
    assert_ne!(limiter.health().state, BreakerState::Closed);
    server.resume();
}

#[tokio::test]
async fn a_module_that_is_loaded_later_is_detected_by_the_next_connection() {
    let server = without_module();
    let limiter = fast_probes(&url(&server)).build().await.unwrap();
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
async fn a_module_that_is_loaded_later_is_detected_within_thirty_seconds() {
    let server = without_module();
    let (clock, time) = Clock::manual(Instant::from_clock(1_700_000_000_000));
    let limiter = fast_probes(&url(&server)).clock(clock).build().await.unwrap();
    let nine = rules(&[(9, 60_000)]);
    let mut admin = server.connect();
    admin.run::<()>(&format!("MODULE LOAD {}", Server::module_path()));
    for _ in 0..9 {
        assert_eq!(limiter.check("k", &nine).await.unwrap().source(), Source::Script);
    }
    time.set(Duration::from_secs(30));
    until("the module answers", async || {
        limiter.check("k", &nine).await.unwrap().source() == Source::Module
    })
    .await;
    let health = limiter.health();
    assert!(!health.uses_script);
    assert_eq!(health.opened, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_is_loaded_later_is_detected_on_each_shard() {
    let lines = ["enable-module-command yes"];
    let cluster = Cluster::configured(Module::Absent, 3, 0, &lines);
    let (clock, time) = Clock::manual(Instant::from_clock(1_700_000_000_000));
    let url = format!("redis+cluster://127.0.0.1:{}", cluster[0].port());
    let limiter = fast_probes(&url).clock(clock).build().await.unwrap();
    assert!(limiter.health().shards.iter().all(|shard| shard.uses_script));
    let many = rules(&[(1_000_000, 3_600_000)]);
    for (loaded, node) in (1..).zip(cluster.each_node()) {
        node.connect().run::<()>(&format!("MODULE LOAD {}", Server::module_path()));
        time.set(loaded * Duration::from_secs(30));
        until("the shard uses the module", async || {
            for key in 0..100 {
                // The log of the script may be on a node that has the module.
                let source = limiter.check(key.to_string(), &many).await.unwrap().source();
                assert!(matches!(source, Source::Module | Source::Script), "{source:?}");
            }
            let shards = limiter.health().shards;
            shards.iter().filter(|shard| !shard.uses_script).count() == loaded as usize
        })
        .await;
    }
    let health = limiter.health();
    assert_eq!((health.opened, health.unanswered), (0, 0));
}

#[tokio::test]
async fn keys_of_the_module_and_of_the_script_are_not_checked_with_one_command() {
    let lines = ["enable-module-command yes"];
    let cluster = Cluster::configured(Module::Absent, 2, 0, &lines);
    cluster[0].connect().run::<()>(&format!("MODULE LOAD {}", Server::module_path()));
    // The log of the script is in the slot of the other key.
    let of_script = (0..1_000_000)
        .map(|n| format!("k{n}"))
        .find(|key| {
            hash_slot(key.as_bytes()) >= 8192 && hash_slot(&log_of_key(key.as_bytes())) < 8192
        })
        .unwrap();
    let of_module = (0..1_000_000)
        .map(|n| format!("other{n}"))
        .find(|key| hash_slot(key.as_bytes()) == hash_slot(&log_of_key(of_script.as_bytes())))
        .unwrap();
    let url = format!("redis+cluster://127.0.0.1:{}", cluster[0].port());
    let limiter = fast_probes(&url).build().await.unwrap();
    let nine = rules(&[(9, 60_000)]);
    for keys in [[&of_module, &of_script], [&of_script, &of_module]] {
        let checks = keys.map(|key| (key.as_str(), &nine));
        let decisions = limiter.check_all(checks).await.unwrap();
        let mut sources: Vec<_> = decisions.iter().map(Decision::source).collect();
        sources.sort_by_key(|source| *source == Source::Script);
        assert_eq!(sources, [Source::Module, Source::Script]);
    }
    let health = limiter.health();
    assert_eq!((health.opened, health.unanswered), (0, 0));
}

#[tokio::test]
async fn only_the_chosen_backend_is_used() {
    let (with, without) = (Server::start(), without_module());
    let nine = rules(&[(9, 60_000)]);
    let script = fast_probes(&url(&with)).backend(Backend::Script).build().await.unwrap();
    assert_eq!(script.check("k", &nine).await.unwrap().source(), Source::Script);
    let module = fast_probes(&url(&without)).backend(Backend::Module).build().await.unwrap();
    let error = module.check("k", &nine).await.unwrap_err();
    assert!(matches!(error, Error::NeedsModule("Backend::Module")), "{error}");
}

#[tokio::test]
async fn a_denial_by_the_script_is_dropped_when_anybody_changes_the_key() {
    let server = without_module();
    let limiter = fast_probes(&url(&server)).deny_cache(100).build().await.unwrap();
    let one = rules(&[(1, 60_000)]);
    let client = redis::Client::open(url(&server)).unwrap();
    let mut other = connection(&client).await;
    let _ = limiter.check("k", &one).await.unwrap();
    until("the denial is cached", async || {
        limiter.check("k", &one).await.unwrap().source() == Source::DenyCache
    })
    .await;
    assert_eq!(script::run(&mut other, &script::reset("k")).await.unwrap(), 1);
    until("the denial is dropped", async || limiter.check("k", &one).await.unwrap().allowed())
        .await;
}
