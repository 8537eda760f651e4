//! Waiting for conditions. Nothing else in the suite sleeps.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(2);
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// `timeout` times `RATELOG_TEST_TIMEOUT_FACTOR`, which slow runs (valgrind, sanitizers) raise.
pub fn scaled_timeout(timeout: Duration) -> Duration {
    let factor = std::env::var("RATELOG_TEST_TIMEOUT_FACTOR")
        .map_or(1.0, |text| text.parse().expect("RATELOG_TEST_TIMEOUT_FACTOR is a number"));
    timeout.mul_f64(factor)
}

/// Asks again and again, for as long as `wait`, until there is an answer.
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

/// Waits until `attempt` has an answer and returns it; fails the test when it takes too long.
#[track_caller]
pub fn eventually<T>(what: &str, attempt: impl FnMut() -> Option<T>) -> T {
    let wait = scaled_timeout(LONGEST_WAIT);
    match within(wait, attempt) {
        Some(answer) => answer,
        None => panic!("after {wait:?} still waiting for: {what}"),
    }
}

/// Waits until `holds`; fails the test when it takes too long.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    eventually(what, || holds().then_some(()));
}
