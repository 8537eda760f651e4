//! Metrics of checks.

use std::cell::Cell;
use std::collections::BTreeMap;

use http::{Request, Response};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use ratelog_client::limiter::{BreakerState, Fallback};
use ratelog_client::tower::{RateLimitLayer, RouteLimits};
use ratelog_client::{Check, Checks, Cost, Source};
use ratelog_test_support::{Server, Stop};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{fast_probes, policy_name, rule, rules, until, until_state, url};

/// The values since the last call: counters and gauges by name and labels, and the number of durations.
fn values(snapshotter: &Snapshotter) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let (_, key) = key.into_parts();
        let mut labels: Vec<_> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        labels.sort();
        let value = match value {
            DebugValue::Counter(count) => f64::from(u32::try_from(count).unwrap()),
            DebugValue::Gauge(value) => value.0,
            DebugValue::Histogram(durations) => {
                assert!(durations.iter().all(|seconds| (0.0..600.0).contains(&seconds.0)));
                f64::from(u32::try_from(durations.len()).unwrap())
            }
        };
        values.insert(format!("{}{{{}}}", key.name(), labels.join(",")), value);
    }
    values
}

#[tokio::test]
async fn checks_are_counted_by_their_result_and_source() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let server = Server::start();
    server.connect().run::<()>("RL.POLICY SET gold 9 1m");
    let limiter = fast_probes(&url(&server)).build().await.unwrap();
    let one = rules(&[(1, 60_000)]);
    for _ in 0..3 {
        let _ = limiter.check("k", &one).await.unwrap();
    }
    let gold = policy_name("gold");
    assert!(limiter.check("k2", &gold).await.unwrap().allowed());
    limiter.check("k3", &policy_name("lead")).await.unwrap_err();
    let checks = Checks::new(Cost::ONE, "k4", rule(5, 60_000)).and("k5", &gold);
    assert!(limiter.mcheck(&checks).await.unwrap().allowed());
    let several = rules(&[(5, 60_000), (9, 3_600_000)]);
    let all = [("k6", Check::from(&several)), ("k7", Check::from(&gold))];
    assert!(limiter.check_all(all).await.unwrap().allowed());
    let counted = values(&snapshotter);
    let count = |labels: &str| counted.get(&format!("ratelog.checks{{{labels}}}")).copied();
    assert_eq!(count("ratelog.result=allowed,ratelog.source=module"), Some(3.0));
    assert_eq!(count("ratelog.result=denied,ratelog.source=module"), Some(2.0));
    let by_policy = "ratelog.policy=gold,ratelog.result=allowed,ratelog.source=module";
    assert_eq!(count(by_policy), Some(3.0));
    assert_eq!(count("error.type=no_policy"), Some(1.0));
    assert_eq!(counted["ratelog.check.duration{}"].to_string(), "8");
    assert!(!format!("{counted:?}").contains("k2"), "no label has a key");
}

#[tokio::test]
async fn the_gauge_is_the_number_of_servers_that_are_away() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let mut server = Server::start();
    let create = || fast_probes(&url(&server)).fallback(Fallback::default()).build();
    let (first, second) = (create().await.unwrap(), create().await.unwrap());
    let value = Cell::new(0.0);
    let active = async |expected: &str| {
        until("the gauge follows", async || {
            // A snapshot sets the gauge to zero.
            let change = values(&snapshotter).get("ratelog.fallback.active{}").copied();
            value.set(value.get() + change.unwrap_or(0.0));
            value.get().to_string() == expected
        })
        .await;
    };
    active("0").await;
    server.stop(Stop::NoSave);
    active("2").await;
    let decision = first.check("k", &rules(&[(1, 60_000)])).await.unwrap();
    assert_eq!(decision.source(), Source::Local);
    let counted = values(&snapshotter);
    assert_eq!(
        counted["ratelog.checks{ratelog.result=allowed,ratelog.source=local}"].to_string(),
        "1"
    );
    drop(second);
    active("1").await;
    server.start_again();
    until_state(&first, BreakerState::Closed).await;
    active("0").await;
}

#[tokio::test]
async fn each_check_of_the_layer_is_counted_once() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let server = Server::start();
    let limiter = fast_probes(&url(&server)).deny_cache(100).build().await.unwrap();
    let limits = |text: &str| text.parse::<RouteLimits>().unwrap();
    let layer = RateLimitLayer::new(limiter, limits("3/hour"), |_| "user")
        .and(policy_name("unknown"), |_| "other");
    let service = layer.layer(service_fn(async |_: Request<&'static str>| {
        Response::builder().body(String::new())
    }));
    for _ in 0..9 {
        let request = Request::get("/").body("").unwrap();
        let _ = service.clone().oneshot(request).await.unwrap();
    }
    let counted = values(&snapshotter);
    let checks = counted.iter().filter(|(name, _)| name.starts_with("ratelog.checks{"));
    let mut results = BTreeMap::new();
    for (name, count) in checks {
        assert!(!name.contains("error.type"), "the fallback decides: {counted:?}");
        let result = if name.contains("allowed") { "allowed" } else { "denied" };
        *results.entry(result).or_insert(0.0) += count;
    }
    // The limit denies the last six requests. The other check of a request is allowed, unless a cached denial spares it.
    assert_eq!(results["denied"].to_string(), "6", "{counted:?}");
    assert!((3.0 + 3.0..=3.0 + 9.0).contains(&results["allowed"]), "{counted:?}");
}
