//! Checks while the server is unavailable, and a limiter without a server.

use std::num::NonZeroU32;
use std::time::Duration;

use ratelog_client::command::Override;
use ratelog_client::limiter::{BreakerState, Builder, Fallback};
use ratelog_client::{Check, Checks, Cost, Decision, Error, Mode, Policy, RateLimiter, Source};
use ratelog_test_support::{Server, Stop};

use crate::log::Log;
use crate::support::{fast_probes, policy_name, rule, rules, until, until_state, url};

/// A limiter whose server was killed.
async fn unavailable(builder: impl FnOnce(Builder) -> Builder) -> (Server, RateLimiter) {
    let mut server = Server::start();
    let limiter = builder(fast_probes(&url(&server))).build().await.unwrap();
    server.stop(Stop::Kill);
    until_state(&limiter, BreakerState::Open).await;
    (server, limiter)
}

#[tokio::test]
async fn this_process_decides_by_the_same_rules() {
    let (_server, limiter) = unavailable(|builder| builder).await;
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
    let outcomes: Vec<_> = decisions.iter().map(|d| (d.allowed(), d.remaining())).collect();
    assert_eq!(outcomes, [(true, 2), (false, 1)], "nothing is recorded");
}

#[tokio::test]
async fn each_of_several_processes_allows_its_share() {
    let instances = NonZeroU32::new(4).unwrap();
    let (_server, limiter) =
        unavailable(|builder| builder.fallback(Fallback::Local { instances })).await;
    let ten = rules(&[(10, 60_000)]);
    for allowed in [true, true, false] {
        assert_eq!(limiter.check("k", &ten).await.unwrap().allowed(), allowed);
    }
    assert!(limiter.check("other", &rules(&[(3, 60_000)])).await.unwrap().allowed());
}

#[tokio::test]
async fn the_fallback_can_allow_every_check() {
    let (_server, limiter) = unavailable(|builder| builder.fallback(Fallback::Allow)).await;
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
async fn the_fallback_can_deny_every_check_until_the_next_probe() {
    let (_server, limiter) = unavailable(|builder| builder.fallback(Fallback::Deny)).await;
    let decision = limiter.check("k", &rules(&[(9, 60_000)])).await.unwrap();
    assert_eq!((decision.allowed(), decision.remaining()), (false, 0));
    assert_eq!(decision.source(), Source::Fallback);
    assert_eq!(decision.retry_after(), Some(Duration::from_millis(50)), "the maximum interval");
    assert!(!limiter.check("k", &policy_name("unknown")).await.unwrap().allowed());
}

#[tokio::test]
async fn the_fallback_can_return_the_error() {
    let (_server, limiter) = unavailable(|builder| builder.fallback(Fallback::Error)).await;
    let error = limiter.check("k", &rules(&[(9, 60_000)])).await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable(_)), "{error:?}");
    assert!(error.to_string().starts_with("the server is unavailable: "), "{error}");
}

#[tokio::test]
async fn policies_that_were_used_are_known_while_the_server_is_unavailable() {
    let mut server = Server::start();
    let limiter = fast_probes(&url(&server)).build().await.unwrap();
    let [used, shadow, also] = ["used", "shadow", "also"].map(policy_name);
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET used 2 1h");
    db.run::<()>("RL.POLICY SET shadow SHADOW 2 1h");
    db.run::<()>("RL.POLICY SET also 1 1h");
    let _ = limiter.check("k", &used).await.unwrap();
    let _ = limiter.check("k", &shadow).await.unwrap();
    let _ = limiter.mcheck(&Checks::new(Cost::ONE, "k2", &also)).await.unwrap();
    until("the policies are fetched", async || {
        db.run::<String>("INFO commandstats").to_lowercase().contains("rl.policy|get:calls=3,")
    })
    .await;
    server.stop(Stop::Kill);
    until_state(&limiter, BreakerState::Open).await;
    for allowed in [true, true, false] {
        assert_eq!(limiter.check("u", &used).await.unwrap().allowed(), allowed);
    }
    for _ in 0..5 {
        assert!(limiter.check("t", &shadow).await.unwrap().allowed());
    }
    for allowed in [true, false] {
        assert_eq!(limiter.check("v", &also).await.unwrap().allowed(), allowed);
    }
    let both = Checks::new(Cost::ONE, "u2", &used).and("t2", &shadow);
    for allowed in [true, true, false] {
        let decisions = limiter.mcheck(&both).await.unwrap();
        assert_eq!((decisions[0].allowed(), decisions[1].allowed()), (allowed, true));
    }
}

#[tokio::test]
async fn a_check_under_an_unknown_policy_is_allowed_and_logged_once_per_policy() {
    let (log, _guard) = Log::capture();
    let (_server, limiter) = unavailable(|builder| builder).await;
    let (one, other) = (policy_name("one"), policy_name("other"));
    for name in [&one, &one, &other, &one] {
        let decision = limiter.check("k", name).await.unwrap();
        assert_eq!((decision.allowed(), decision.source()), (true, Source::Fallback));
        assert!(limiter.peek("k", name).await.unwrap().allowed());
    }
    assert_eq!(log.policies(), ["one", "other"]);
}

#[tokio::test]
async fn an_unknown_policy_does_not_lift_the_limits_of_other_keys() {
    let (log, _guard) = Log::capture();
    let (_server, limiter) = unavailable(|builder| builder).await;
    let (one, other) = (policy_name("one"), policy_name("other"));
    let checks = Checks::new(Cost::ONE, "a", &one).and("b", rule(1, 60_000)).and("c", &other);
    for b_allowed in [true, false] {
        let decisions = limiter.mcheck(&checks).await.unwrap();
        let allowed: Vec<_> = decisions.iter().map(Decision::allowed).collect();
        let sources: Vec<_> = decisions.iter().map(Decision::source).collect();
        assert_eq!(allowed, [true, b_allowed, true]);
        assert_eq!(sources, [Source::Fallback, Source::Local, Source::Fallback]);
    }
    assert_eq!(log.policies(), ["one", "other"]);
}

#[tokio::test]
async fn a_check_under_an_unknown_policy_follows_the_other_fallbacks() {
    let (log, _guard) = Log::capture();
    let name = policy_name("unknown");
    for (fallback, allowed) in
        [(Fallback::Allow, Some(true)), (Fallback::Deny, Some(false)), (Fallback::Error, None)]
    {
        let (_server, limiter) = unavailable(|builder| builder.fallback(fallback)).await;
        let decision = limiter.check("k", &name).await;
        assert_eq!(decision.ok().map(|decision| decision.allowed()), allowed, "{fallback:?}");
    }
    assert!(log.policies().is_empty());
}

#[tokio::test]
async fn a_configured_policy_is_known_without_the_server() {
    let name = policy_name("api");
    let policy = Policy { rules: rules(&[(1, 60_000)]), mode: Mode::Enforce };
    let (_server, limiter) =
        unavailable(|builder| builder.policy(name.clone(), policy.clone())).await;
    assert!(limiter.check("k", &name).await.unwrap().allowed());
    assert!(!limiter.check("k", &name).await.unwrap().allowed());
}

#[tokio::test]
async fn a_limiter_without_a_server_has_no_policies_and_no_overrides() {
    let limiter = RateLimiter::connect("memory://").await.unwrap();
    let check = Check::from(&rules(&[(3, 60_000)])).cost(Cost::new(2).unwrap()).units();
    assert_eq!(check.units(), 2);
    let error = limiter.check("k", &policy_name("api")).await.unwrap_err();
    assert_eq!(error.to_string(), "NOPOLICY no policy named 'api' is known in this process");
    let error = limiter.set_override("k", &Override::DENY).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "an override needs the Ratelog module, which this server does not have"
    );
    assert_eq!(limiter.health().state, BreakerState::Closed);
}

#[tokio::test]
async fn invalid_settings_are_rejected_by_name() {
    for (url, wrong) in [
        ("127.0.0.1:6379", "'127.0.0.1:6379' is not a URL of a limiter"),
        ("http://:secret@example.com/", "the scheme 'http' is not one of"),
        ("memory://x", "memory:// takes no host"),
        ("redis+sentinel://example.com:26379", "a Sentinel URL must name the service"),
        ("redis+cluster://example.com:7000/3", "a cluster has no database '3'"),
        ("redis://example.com/x", "the limiter's URL is invalid: "),
    ] {
        let error = RateLimiter::connect(url).await.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(wrong) && !error.contains("secret"), "{url}: {error}");
    }
    let zero = Builder::new("memory://").unwrap().timeout(Duration::ZERO);
    let error = zero.build().await.map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "timeout must be greater than zero");
    let endless: [fn(Builder) -> Builder; 3] = [
        |builder| builder.timeout(Duration::MAX),
        |builder| builder.connect_timeout(Duration::MAX),
        |builder| builder.probe_max_interval(Duration::MAX),
    ];
    for set in endless {
        let builder = set(Builder::new("memory://").unwrap());
        let error = builder.build().await.map(|_| ()).unwrap_err().to_string();
        assert!(error.ends_with(" must be at most 86400s"), "{error}");
    }
    let (long, short) = (Duration::from_secs(2), Duration::from_secs(1));
    let crossed =
        Builder::new("memory://").unwrap().probe_min_interval(long).probe_max_interval(short);
    let error = crossed.build().await.map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "probe_max_interval (1s) is less than probe_min_interval (2s)");
}
