//! Waits for conditions.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(2);
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// Returns `timeout` times `RATELOG_TEST_TIMEOUT_FACTOR`. Slow runs (valgrind, sanitizers) raise the factor.
pub fn scaled_timeout(timeout: Duration) -> Duration {
    let factor = std::env::var("RATELOG_TEST_TIMEOUT_FACTOR")
        .map_or(1.0, |text| text.parse().expect("RATELOG_TEST_TIMEOUT_FACTOR is a number"));
    timeout.mul_f64(factor)
}

/// Calls `attempt` until it returns a value, for at most `wait`.
pub fn within<T>(wait: Duration, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + wait;
    loop {
        let answer = attempt();
        if answer.is_some() || Instant::now() >= deadline {
            return answer;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Calls `attempt` until it returns a value. Panics if that takes too long.
#[track_caller]
pub fn eventually<T>(what: &str, attempt: impl FnMut() -> Option<T>) -> T {
    let wait = scaled_timeout(LONGEST_WAIT);
    match within(wait, attempt) {
        Some(answer) => answer,
        None => panic!("still waiting after {wait:?}: {what}"),
    }
}

/// Waits until `holds` returns true. Panics if that takes too long.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    eventually(what, || holds().then_some(()));
}
