//! Load on a limiter, while its server comes and goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ratelog_client::{Error, RateLimiter, Source};

use crate::support::{rules, until};

/// Callers without pause, who are answered whatever happens.
pub struct Load {
    stop: Arc<AtomicBool>,
    callers: Vec<tokio::task::JoinHandle<Result<(), Error>>>,
    pub by_module: Arc<AtomicU64>,
    pub by_this_process: Arc<AtomicU64>,
}

impl Load {
    pub fn start(limiter: &RateLimiter, callers: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (by_module, by_this_process) = (Arc::default(), Arc::default());
        let caller = |number| {
            let limiter = limiter.clone();
            let stop = Arc::clone(&stop);
            let counts: [Arc<AtomicU64>; 2] =
                [Arc::clone(&by_module), Arc::clone(&by_this_process)];
            tokio::spawn(async move {
                let rules = rules(&[(100, 1_000)]);
                while !stop.load(Ordering::Relaxed) {
                    let decision = limiter.check(format!("load:{number}"), &rules).await?;
                    let count = usize::from(decision.source() != Source::Module);
                    counts[count].fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
                Ok(())
            })
        };
        Self { callers: (0..callers).map(caller).collect(), stop, by_module, by_this_process }
    }

    /// Backoff until more checks have been answered by whom `count` is of.
    pub async fn goes_on(count: &AtomicU64) {
        let before = count.load(Ordering::Relaxed);
        until("checks are answered", async || count.load(Ordering::Relaxed) > before + 100).await;
    }

    pub async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for caller in self.callers {
            caller.await.unwrap().unwrap();
        }
    }
}
