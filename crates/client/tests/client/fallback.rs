//! What becomes of checks while the server is away, and of a limiter that never had one.

use std::num::NonZeroU32;
use std::time::Duration;

use ratelog_client::command::Override;
use ratelog_client::limiter::{Builder, Fallback, State};
use ratelog_client::{Check, Checks, Cost, Decision, Error, Mode, Policy, RateLimiter, Source};
use ratelog_test_support::{Server, Stop};

use crate::support::{brisk, policy_name, rule, rules, until, until_state, url};

/// A limiter whose server has just gone.
async fn abandoned(builder: impl FnOnce(Builder) -> Builder) -> (Server, RateLimiter) {
    let mut server = Server::start();
    let limiter = builder(brisk(&url(&server))).build().await.unwrap();
    server.stop(Stop::Kill);
    until_state(&limiter, State::Open).await;
    (server, limiter)
}

#[tokio::test]
async fn this_process_decides_by_the_same_rules() {
    let (_server, limiter) = abandoned(|builder| builder).await;
    let both = rules(&[(2, 60_000), (3, 3_600_000)]);
    for remaining in [1, 0] {
        let decision = limiter.check("k", &both).await.unwrap();
        assert_eq!((decision.allowed(), decision.remaining()), (true, remaining));
        assert_eq!(decision.source(), Source::Local);
    }
    let denied = limiter.check("k", &both).await.unwrap();
    assert!(!denied.allowed());
    assert!(denied.retry_after().unwrap() > Duration::from_secs(30));
    assert!(!limiter.peek("k", &both).await.unwrap().allowed());
    assert_eq!(limiter.refund("k", Cost::ONE).await.unwrap(), 1);
    assert!(limiter.peek("k", &both).await.unwrap().allowed());
    assert_eq!(limiter.reset("k").await.unwrap(), 1);
    assert_eq!(limiter.peek("k", &both).await.unwrap().remaining(), 2);
    let checks = Checks::new(Cost::new(2).unwrap(), "a", rule(2, 60_000)).and("b", rule(1, 60_000));
    let decisions = limiter.mcheck(&checks).await.unwrap();
    let told: Vec<_> = decisions.iter().map(|d| (d.allowed(), d.remaining())).collect();
    assert_eq!(told, [(true, 2), (false, 1)], "nothing is recorded anywhere");
}

#[tokio::test]
async fn each_of_several_processes_grants_its_share() {
    let instances = NonZeroU32::new(4).unwrap();
    let (_server, limiter) =
        abandoned(|builder| builder.fallback(Fallback::Local { instances })).await;
    let ten = rules(&[(10, 60_000)]);
    for allowed in [true, true, false] {
        assert_eq!(limiter.check("k", &ten).await.unwrap().allowed(), allowed);
    }
    assert!(limiter.check("other", &rules(&[(3, 60_000)])).await.unwrap().allowed());
}

#[tokio::test]
async fn checks_may_be_allowed_outright() {
    let (_server, limiter) = abandoned(|builder| builder.fallback(Fallback::Allow)).await;
    let one = rules(&[(1, 60_000)]);
    for _ in 0..5 {
        let decision = limiter.check("k", &one).await.unwrap();
        assert!(decision.allowed());
        assert_eq!((decision.source(), decision.limit()), (Source::Fallback, 1));
    }
    assert!(limiter.check("k", &policy_name("unknown")).await.unwrap().allowed());
    let checks = Checks::new(Cost::ONE, "a", rule(1, 1_000)).and("b", rule(1, 1_000));
    assert!(limiter.mcheck(&checks).await.unwrap().iter().all(Decision::allowed));
    assert!(limiter.refund("k", Cost::ONE).await.is_err(), "there is nothing to take back");
}

#[tokio::test]
async fn checks_may_be_denied_outright_until_the_server_may_be_back() {
    let (_server, limiter) = abandoned(|builder| builder.fallback(Fallback::Deny)).await;
    let decision = limiter.check("k", &rules(&[(9, 60_000)])).await.unwrap();
    assert_eq!((decision.allowed(), decision.remaining()), (false, 0));
    assert_eq!(decision.source(), Source::Fallback);
    assert_eq!(decision.retry_after(), Some(Duration::from_millis(50)), "the longest interval");
    assert!(!limiter.check("k", &policy_name("unknown")).await.unwrap().allowed());
}

#[tokio::test]
async fn the_caller_may_be_given_the_error() {
    let (_server, limiter) = abandoned(|builder| builder.fallback(Fallback::Error)).await;
    let refused = limiter.check("k", &rules(&[(9, 60_000)])).await.unwrap_err();
    assert!(matches!(&refused, Error::Unavailable(_)), "{refused:?}");
    assert!(refused.to_string().starts_with("the server is away: "), "{refused}");
}

#[tokio::test]
async fn policies_that_were_used_are_known_when_the_server_is_away() {
    let mut server = Server::start();
    let limiter = brisk(&url(&server)).build().await.unwrap();
    let (used, tried, unused) = (policy_name("used"), policy_name("tried"), policy_name("unused"));
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET used 2 1h");
    db.run::<()>("RL.POLICY SET tried SHADOW 2 1h");
    db.run::<()>("RL.POLICY SET unused 2 1h");
    limiter.check("k", &used).await.unwrap();
    limiter.check("k", &tried).await.unwrap();
    until("the limiter has asked", async || {
        db.run::<String>("INFO commandstats").to_lowercase().contains("rl.policy|get:calls=2,")
    })
    .await;
    server.stop(Stop::Kill);
    until_state(&limiter, State::Open).await;
    for allowed in [true, true, false] {
        assert_eq!(limiter.check("u", &used).await.unwrap().allowed(), allowed);
    }
    for _ in 0..5 {
        assert!(limiter.check("t", &tried).await.unwrap().allowed());
    }
    let refused = limiter.check("k", &unused).await.unwrap_err();
    assert!(matches!(refused, Error::Unavailable(_)), "{refused:?}");
    let both = Checks::new(Cost::ONE, "u2", &used).and("t2", &tried);
    for allowed in [true, true, false] {
        let decisions = limiter.mcheck(&both).await.unwrap();
        assert_eq!((decisions[0].allowed(), decisions[1].allowed()), (allowed, true));
    }
}

#[tokio::test]
async fn a_policy_may_be_given_for_the_time_without_a_server() {
    let name = policy_name("api");
    let policy = Policy { rules: rules(&[(1, 60_000)]), mode: Mode::Enforce };
    let (_server, limiter) =
        abandoned(|builder| builder.policy(name.clone(), policy.clone())).await;
    assert!(limiter.check("k", &name).await.unwrap().allowed());
    assert!(!limiter.check("k", &name).await.unwrap().allowed());
}

#[tokio::test]
async fn a_limiter_of_this_process_alone_has_no_policies_and_no_overrides() {
    let limiter = RateLimiter::connect("memory://").await.unwrap();
    let check = Check::from(&rules(&[(3, 60_000)])).cost(Cost::new(2).unwrap()).units();
    assert_eq!(check.units(), 2);
    let refused = limiter.check("k", &policy_name("api")).await.unwrap_err();
    assert_eq!(refused.to_string(), "NOPOLICY no policy named 'api' is known in this process");
    let refused = limiter.set_override("k", &Override::DENY).await.unwrap_err();
    assert_eq!(refused.to_string(), "an override needs a server with the Ratelog module");
    assert_eq!(limiter.health().state, State::Closed);
}

#[tokio::test]
async fn settings_that_contradict_each_other_are_refused_by_name() {
    for (url, wrong) in [
        ("localhost:6379", "'localhost:6379' is no URL of a limiter"),
        ("http://:secret@example.com/", "the scheme 'http' is not one of"),
        ("memory://x", "memory:// has nothing after it"),
        ("redis+sentinel://example.com:26379", "a Sentinel's URL names the service"),
        ("redis+cluster://example.com:7000/3", "a cluster has no database '3'"),
        ("redis://example.com/x", "the limiter's URL: "),
    ] {
        let refused = RateLimiter::connect(url).await.map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains(wrong) && !refused.contains("secret"), "{url}: {refused}");
    }
    let zero = Builder::new("memory://").unwrap().timeout(Duration::ZERO);
    let refused = zero.build().await.map(|_| ()).unwrap_err();
    assert_eq!(refused.to_string(), "a timeout of zero leaves no time for an answer");
    let (long, short) = (Duration::from_secs(2), Duration::from_secs(1));
    let crossed = Builder::new("memory://").unwrap().probe_every(long, short);
    let refused = crossed.build().await.map(|_| ()).unwrap_err();
    assert_eq!(refused.to_string(), "probes cannot follow in 2s to 1s");
}
