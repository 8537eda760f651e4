//! Denials that the limiter caches, and drops in time.

use std::time::Duration;

use ratelog_client::command::Override;
use ratelog_client::{AsyncCommands, Check, Checks, Cost, RateLimiter, Rules, Source};
use ratelog_test_support::{Client, Server};

use crate::support::{connection, fast_probes, policy_name, rule, rules, until, url};

async fn caching(server: &Server) -> RateLimiter {
    let limiter = fast_probes(&url(server)).deny_cache(100).build().await.unwrap();
    assert!(limiter.health().tracking);
    limiter
}

/// Uses up the limit, and returns when the denial is cached.
async fn deny(limiter: &RateLimiter, key: &str, rules: &Rules) {
    until("the check is denied", async || !limiter.check(key, rules).await.unwrap().allowed())
        .await;
    until("the denial is cached", async || is_cached(limiter, key, rules).await).await;
}

async fn is_cached(limiter: &RateLimiter, key: &str, rules: &Rules) -> bool {
    limiter.check(key, rules).await.unwrap().source() == Source::DenyCache
}

fn checks(db: &mut Client) -> i64 {
    db.run::<std::collections::HashMap<String, redis::Value>>("RL.STATS")
        .remove("checks")
        .map(|count| redis::from_redis_value(count).unwrap())
        .unwrap()
}

#[tokio::test]
async fn a_cached_denial_causes_no_round_trip() {
    let server = Server::start();
    let mut db = server.connect();
    let limiter = caching(&server).await;
    let two = rules(&[(2, 60_000)]);
    deny(&limiter, "k", &two).await;
    let before = checks(&mut db);
    let mut last = Duration::MAX;
    for _ in 0..1_000 {
        let denied = limiter.check("k", &two).await.unwrap();
        assert_eq!((denied.allowed(), denied.source()), (false, Source::DenyCache));
        assert_eq!((denied.limit(), denied.remaining()), (2, 0));
        let wait = denied.retry_after().unwrap();
        assert!(wait > Duration::ZERO && wait <= last, "the wait shrinks: {wait:?}, {last:?}");
        last = wait;
    }
    assert_eq!(checks(&mut db), before);
}

#[tokio::test]
async fn a_denial_ends_with_its_retry_after() {
    let server = Server::start();
    let limiter = caching(&server).await;
    let one = rules(&[(1, 300)]);
    for _ in 0..3 {
        deny(&limiter, "k", &one).await;
        until("the key is allowed again", async || {
            limiter.check("k", &one).await.unwrap().allowed()
        })
        .await;
    }
    // The server recorded no two units within one window.
    let hits = server.connect().hits("k");
    assert!(hits.windows(2).all(|pair| pair[0].0 - pair[1].0 >= 300), "{hits:?}");
}

#[tokio::test]
async fn a_denial_is_dropped_by_others_also_after_this_limiter_has_recorded_units() {
    let server = Server::start();
    let limiter = caching(&server).await;
    let ten = rules(&[(10, 3_600_000)]);
    let ten_at_once = Check::from(&ten).cost(Cost::new(10).unwrap());
    let one = Checks::new(Cost::ONE, "k", rule(10, 3_600_000));
    for records_by_mcheck in [false, true] {
        assert!(limiter.check("k", &ten).await.unwrap().allowed());
        until("the denial is cached", async || {
            limiter.check("k", ten_at_once).await.unwrap().source() == Source::DenyCache
        })
        .await;
        // The server reports no change to the connection that makes it, and no later one.
        if records_by_mcheck {
            assert!(limiter.mcheck(&one).await.unwrap()[0].allowed());
        } else {
            assert!(limiter.check("k", &ten).await.unwrap().allowed());
        }
        server.connect().run::<i64>("RL.RESET k");
        until("the denial is dropped", async || {
            limiter.check("k", ten_at_once).await.unwrap().allowed()
        })
        .await;
        server.connect().run::<i64>("RL.RESET k");
    }
}

#[tokio::test]
async fn a_cached_denial_answers_only_the_same_check() {
    let server = Server::start();
    let limiter = caching(&server).await;
    let two = rules(&[(2, 60_000)]);
    let both = Check::from(&two).cost(Cost::new(2).unwrap());
    let _ = limiter.check("k", &two).await.unwrap();
    until("the denial is cached", async || {
        limiter.check("k", both).await.unwrap().source() == Source::DenyCache
    })
    .await;
    assert!(limiter.check("k", &two).await.unwrap().allowed());
    assert!(limiter.check("k", &rules(&[(9, 60_000)])).await.unwrap().allowed());
    assert!(limiter.check("other", both).await.unwrap().allowed());
}

#[tokio::test]
async fn a_denial_is_dropped_when_this_limiter_changes_the_key() {
    let server = Server::start();
    // Over RESP2 the server does not report changed keys.
    let url = format!("{}?protocol=resp2", url(&server));
    let limiter = fast_probes(&url).deny_cache(100).build().await.unwrap();
    assert!(!limiter.health().tracking);
    let two = rules(&[(2, 60_000)]);
    deny(&limiter, "k", &two).await;
    assert_eq!(limiter.refund("k", Cost::ONE).await.unwrap(), 1);
    assert!(limiter.check("k", &two).await.unwrap().allowed());
    deny(&limiter, "k", &two).await;
    assert_eq!(limiter.reset("k").await.unwrap(), 2);
    assert!(limiter.check("k", &two).await.unwrap().allowed());
    deny(&limiter, "k", &two).await;
    limiter.set_override("k", &Override::ALLOW).await.unwrap();
    assert!(limiter.check("k", &two).await.unwrap().allowed());
    limiter.set_override("k", &Override::DENY.with_ttl(Duration::from_secs(90))).await.unwrap();
    assert!(!limiter.check("k", &two).await.unwrap().allowed());
    assert!(is_cached(&limiter, "k", &two).await);
    assert!(limiter.del_override("k").await.unwrap());
    limiter.reset("k").await.unwrap();
    assert!(limiter.check("k", &two).await.unwrap().allowed());
}

#[tokio::test]
async fn a_denial_is_dropped_when_anybody_changes_the_key() {
    let server = Server::start();
    let limiter = caching(&server).await;
    let client = redis::Client::open(url(&server)).unwrap();
    let mut other = connection(&client).await;
    let two = rules(&[(2, 60_000)]);
    for change in [
        "RL.RESET k",
        "RL.REFUND k",
        "RL.OVERRIDE SET k ALLOW",
        "DEL k",
        "RENAME k elsewhere",
        "FLUSHALL",
        "FLUSHDB ASYNC",
    ] {
        other.rl_del_override("k").await.unwrap();
        deny(&limiter, "k", &two).await;
        let arguments: Vec<_> = change.split(' ').collect();
        redis::cmd(arguments[0]).arg(&arguments[1..]).exec_async(&mut other).await.unwrap();
        until(&format!("the denial is dropped after {change}"), async || {
            limiter.check("k", &two).await.unwrap().allowed()
        })
        .await;
    }
}

#[tokio::test]
async fn a_denial_under_a_policy_is_dropped_soon() {
    let server = Server::start();
    let limiter = caching(&server).await;
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET api 1 1h");
    let name = policy_name("api");
    let _ = limiter.check("k", &name).await.unwrap();
    until("the denial is cached", async || {
        limiter.check("k", &name).await.unwrap().source() == Source::DenyCache
    })
    .await;
    db.run::<()>("RL.POLICY SET api 2 1h");
    until("the new policy is applied", async || limiter.check("k", &name).await.unwrap().allowed())
        .await;
}

#[tokio::test]
async fn denials_are_dropped_with_their_connection() {
    let server = Server::start();
    let limiter = caching(&server).await;
    let two = rules(&[(2, 60_000)]);
    deny(&limiter, "k", &two).await;
    let mut admin = server.connect();
    admin.run::<i64>("CLIENT KILL TYPE normal SKIPME yes");
    admin.run::<i64>("RL.RESET k");
    until("the denial is dropped", async || {
        let decision = limiter.check("k", &two).await.unwrap();
        decision.allowed() && decision.source() == Source::Module
    })
    .await;
}

#[tokio::test]
async fn the_number_of_cached_denials_is_bounded() {
    let server = Server::start();
    let limiter = fast_probes(&url(&server)).deny_cache(10).build().await.unwrap();
    let one = rules(&[(1, 60_000)]);
    for number in 0..200 {
        deny(&limiter, &format!("k{number}"), &one).await;
    }
    let mut cached = 0;
    for number in 0..200 {
        cached += u32::from(is_cached(&limiter, &format!("k{number}"), &one).await);
    }
    assert!(cached <= 10, "{cached}");
}
