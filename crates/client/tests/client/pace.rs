//! Work that is spread evenly over time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ratelog_client::command::Override;
use ratelog_client::limiter::{Builder, Fallback};
use ratelog_client::{Error, RateLimiter, Rule};
use ratelog_test_support::{Client, Server, Stop};

use crate::support::{fast_probes, until, url};

const HOUR: Duration = Duration::from_secs(3_600);

fn denials(db: &mut Client) -> i64 {
    let mut stats: HashMap<String, redis::Value> = db.run("RL.STATS");
    redis::from_redis_value(stats.remove("denied").unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn limiters_share_a_pace() {
    let server = Server::start();
    let start = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let limiter = fast_probes(&url(&server)).build().await.unwrap();
        let pace = limiter.pace("jobs", "50/second").unwrap();
        assert_eq!(pace.rule().to_string(), "3/60ms");
        for _ in 0..8 {
            let pace = pace.clone();
            tasks.push(tokio::spawn(async move { pace.wait().await.unwrap() }));
        }
    }
    let mut longest = Duration::ZERO;
    for task in tasks {
        longest = longest.max(task.await.unwrap());
    }
    // The clock of the server may be a little faster than that of this process.
    let least = Duration::from_millis(7 * 60 - 5);
    assert!(start.elapsed() >= longest && longest >= least, "{longest:?}");
}

#[tokio::test]
async fn callers_of_a_process_proceed_in_order() {
    let limiter = RateLimiter::connect("memory://").await.unwrap();
    let pace = limiter.pace("jobs", "200/second").unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for number in 0..20 {
        let (pace, order) = (pace.clone(), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            pace.wait().await.unwrap();
            order.lock().unwrap().push(number);
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn no_caller_waits_longer_than_the_maximum() {
    let limiter = RateLimiter::connect("memory://").await.unwrap();
    let pace = limiter.pace("jobs", "1/hour").unwrap().max_wait(Duration::from_millis(20));
    pace.wait().await.unwrap();
    let first = tokio::spawn({
        let pace = pace.clone().max_wait(Duration::from_secs(7_200));
        async move { pace.wait().await }
    });
    // Another caller is at the head of the queue for an hour.
    tokio::task::yield_now().await;
    let error = pace.wait().await.unwrap_err();
    assert!(matches!(error, Error::NotInTime(wait) if wait.as_millis() == 20), "{error:?}");
    assert_eq!(error.to_string(), "the turn does not come within 20ms");
    first.abort();
    let _ = first.await;
    let error = pace.wait().await.unwrap_err();
    let Error::Denied(denied) = error else { panic!("{error:?}") };
    assert!(denied.retry_after() > Some(Duration::from_secs(3_500)), "{denied}");
}

#[tokio::test]
async fn a_denial_without_an_end_is_an_error() {
    let server = Server::start();
    let limiter = fast_probes(&url(&server)).build().await.unwrap();
    limiter.set_override("jobs", &Override::DENY).await.unwrap();
    let error = limiter.pace("jobs", "5/second").unwrap().wait().await.unwrap_err();
    assert!(matches!(error, Error::Denied(denied) if denied.retry_after().is_none()), "{error}");
}

#[tokio::test]
async fn a_caller_notices_that_an_operator_allows_the_key_again() {
    let server = Server::start();
    let limiter = fast_probes(&url(&server)).build().await.unwrap();
    limiter.set_override("jobs", &Override::DENY.with_ttl(HOUR)).await.unwrap();
    let pace = limiter.pace("jobs", "5/second").unwrap();
    let mut db = server.connect();
    let waiting = tokio::spawn(async move { pace.wait().await.unwrap() });
    until("the caller is denied", async || denials(&mut db) > 0).await;
    assert!(limiter.del_override("jobs").await.unwrap());
    assert!(waiting.await.unwrap() < HOUR / 2);
}

#[tokio::test]
async fn the_fallback_decides_while_the_server_is_away() {
    let mut server = Server::start();
    let create = |fallback| fast_probes(&url(&server)).fallback(fallback).build();
    let local = create(Fallback::default()).await.unwrap();
    let strict = create(Fallback::Error).await.unwrap();
    let patient = create(Fallback::Deny).await.unwrap();
    server.stop(Stop::NoSave);
    local.pace("jobs", "100/second").unwrap().wait().await.unwrap();
    let error = strict.pace("jobs", "100/second").unwrap().wait().await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    let pace = patient.pace("jobs", "100/second").unwrap();
    let waiting = tokio::spawn(async move { pace.wait().await });
    let error = patient.pace("jobs", "100/second").unwrap().max_wait(Duration::ZERO).wait().await;
    assert!(matches!(error, Err(Error::Denied(_))), "{error:?}");
    // The server is back before the fallback says.
    let far = fast_probes(&url(&server)).fallback(Fallback::Deny).probe_max_interval(HOUR);
    let pace = far.build().await.unwrap().pace("jobs", "100/second").unwrap();
    let bounded = tokio::spawn(async move { pace.max_wait(HOUR / 2).wait().await });
    server.start_again();
    waiting.await.unwrap().unwrap();
    bounded.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_rule_without_a_pace_is_refused() {
    let limiter = RateLimiter::connect("memory://").await.unwrap();
    let error = limiter.pace("jobs", "0/second").unwrap_err().to_string();
    assert_eq!(error, "the pace: 0/second lets nothing proceed");
    let error = limiter.pace("jobs", "fast").unwrap_err().to_string();
    assert!(error.starts_with("the pace: ") && error.contains("fast"), "{error}");
    let rule: Rule = "5/second".parse().unwrap();
    assert_eq!(limiter.pace("jobs", rule).unwrap().rule().to_string(), "1/200ms");
}

#[test]
fn a_blocking_pace_waits() {
    let limiter = Builder::new("memory://").unwrap().build_blocking().unwrap();
    let pace = limiter.pace("jobs", "100/second").unwrap().max_wait(Duration::from_secs(60));
    assert_eq!(pace.rule().to_string(), "5/50ms");
    let waited: Duration = (0..6).map(|_| pace.wait().unwrap()).sum();
    assert!(waited > Duration::from_millis(30));
}
