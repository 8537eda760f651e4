//! Helpers for several subjects.

use std::time::Duration;

use ratelog_client::limiter::{BreakerState, Builder};
use ratelog_client::{Limit, PolicyName, RateLimiter, Rule, Rules, Source, Window};
use ratelog_test_support::Server;
use tokio::time::{Instant, sleep};

pub fn rule(limit: u32, window_ms: u64) -> Rule {
    Rule::new(Limit::new(limit), Window::from_millis(window_ms).unwrap())
}

/// Pairs of limit and window in milliseconds.
pub fn rules(pairs: &[(u32, u64)]) -> Rules {
    Rules::new(pairs.iter().map(|&(limit, window)| rule(limit, window))).unwrap()
}

pub fn policy_name(name: &str) -> PolicyName {
    PolicyName::parse(name.as_bytes()).unwrap()
}

pub fn url(server: &Server) -> String {
    format!("redis://127.0.0.1:{}/", server.port())
}

/// A limiter that probes its server often. Its timeouts are long enough for a busy machine, so that only an unavailable
/// server fails a check.
pub fn fast_probes(url: &str) -> Builder {
    let timeout = ratelog_test_support::scaled_timeout(Duration::from_secs(5));
    Builder::new(url)
        .unwrap()
        .timeout(timeout)
        .connect_timeout(timeout)
        .probe_min_interval(Duration::from_millis(5))
        .probe_max_interval(Duration::from_millis(50))
}

/// Waits until `condition` is true, without blocking the runtime. Fails the test if that takes too long.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + ratelog_test_support::scaled_timeout(Duration::from_secs(40));
    while !condition().await {
        assert!(Instant::now() < deadline, "still waiting for: {what}");
        sleep(Duration::from_millis(2)).await;
    }
}

pub async fn until_state(limiter: &RateLimiter, state: BreakerState) {
    until(&format!("{state:?}"), async || limiter.health().state == state).await;
}

/// The source of a decision made now.
pub async fn source(limiter: &RateLimiter) -> Source {
    limiter.check("k", &rules(&[(1_000_000, 60_000)])).await.unwrap().source()
}

/// A connection of the `redis` crate. Its default timeouts of half a second are too short on a busy machine.
pub async fn connection(client: &redis::Client) -> redis::aio::MultiplexedConnection {
    let timeout = Some(ratelog_test_support::scaled_timeout(Duration::from_secs(40)));
    let config = redis::AsyncConnectionConfig::new()
        .set_connection_timeout(timeout)
        .set_response_timeout(timeout);
    client.get_multiplexed_async_connection_with_config(&config).await.unwrap()
}
