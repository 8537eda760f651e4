//! The maximum duration of a check while the server hangs under load, and while it is killed.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ratelog_client::limiter::{BreakerState, Builder};
use ratelog_client::{RateLimiter, Rules};
use ratelog_test_support::{Server, Stop};

use crate::{BenchResult, Scale, timing};

const CALLERS: usize = 32;
const TIMEOUT: Duration = Duration::from_millis(50);

pub async fn run(scale: Scale) -> BenchResult<String> {
    let mut text = format!(
        "## While the server is unavailable\n\n{CALLERS} callers check without pause, with a timeout of {} ms, while the server \
         becomes unavailable {} times: the durations of their checks, in milliseconds. Target: no check takes longer than \
         the timeout and a millisecond.\n\n\
         | the server | checks | median | p99 | p99.9 | longest | over 51 ms |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
        TIMEOUT.as_millis(),
        scale.rounds,
    );
    let mut server = Server::start();
    let limiter = Builder::new(&format!("redis://127.0.0.1:{}/", server.port()))?
        .timeout(TIMEOUT)
        .probe_min_interval(Duration::from_millis(10))
        .probe_max_interval(Duration::from_millis(200))
        .build()
        .await?;
    for (name, kills) in [("hangs", false), ("is killed", true)] {
        let stop = Arc::new(AtomicBool::new(false));
        let callers: Vec<_> =
            (0..CALLERS).map(|_| tokio::spawn(call(limiter.clone(), Arc::clone(&stop)))).collect();
        for _ in 0..scale.rounds {
            reach(&limiter, BreakerState::Closed).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            if kills {
                server.stop(Stop::Kill);
            } else {
                server.pause();
            }
            reach(&limiter, BreakerState::Open).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            if kills {
                server.start_again();
            } else {
                server.resume();
            }
        }
        reach(&limiter, BreakerState::Closed).await;
        stop.store(true, Ordering::Relaxed);
        let mut waits = Vec::new();
        for caller in callers {
            waits.append(&mut caller.await?);
        }
        waits.sort_unstable();
        let millis = |wait: Duration| wait.as_secs_f64() * 1e3;
        let most = TIMEOUT + Duration::from_millis(1);
        writeln!(
            text,
            "| {name} | {} | {:.3} | {:.2} | {:.2} | {:.2} | {} |",
            waits.len(),
            millis(timing::all_but_one_in(2, &waits)),
            millis(timing::all_but_one_in(100, &waits)),
            millis(timing::all_but_one_in(1_000, &waits)),
            millis(waits.last().copied().unwrap_or_default()),
            waits.iter().filter(|&&wait| wait > most).count(),
        )?;
    }
    Ok(text)
}

async fn call(limiter: RateLimiter, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let rules: Rules =
        Rules::one("1000000/second".parse().unwrap_or_else(|error| panic!("{error}")));
    let mut waits = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let decision = limiter.check("k", &rules).await;
        waits.push(began.elapsed());
        assert!(decision.is_ok_and(|decision| decision.allowed()), "a check was not allowed");
        // Real callers do other work in between.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    waits
}

async fn reach(limiter: &RateLimiter, state: BreakerState) {
    while limiter.health().state != state {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
