//! Timers and percentiles.

use std::time::{Duration, Instant};

/// Microseconds per call, for `calls` sequential calls.
pub async fn each<T>(calls: usize, mut call: impl AsyncFnMut(usize) -> T) -> f64 {
    let began = Instant::now();
    for number in 0..calls {
        std::hint::black_box(call(number).await);
    }
    per_call(began.elapsed(), calls)
}

/// The same for calls that do not await.
pub fn each_blocking<T>(calls: usize, mut call: impl FnMut(usize) -> T) -> f64 {
    let began = Instant::now();
    for number in 0..calls {
        std::hint::black_box(call(number));
    }
    per_call(began.elapsed(), calls)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn per_call(time: Duration, calls: usize) -> f64 {
    time.as_secs_f64() * 1e6 / calls as f64
}

/// The value that one in `in_each` of the sorted waits exceeds.
pub fn all_but_one_in(in_each: usize, sorted: &[Duration]) -> Duration {
    let beyond = sorted.len() / in_each;
    sorted.get(sorted.len().saturating_sub(beyond + 1)).copied().unwrap_or_default()
}
