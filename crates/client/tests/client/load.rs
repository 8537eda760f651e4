//! Load on a limiter while its server stops and starts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ratelog_client::{Error, RateLimiter, Source};

use crate::support::{rules, until};

/// Tasks that check without pause. An error in any of them fails the test.
pub struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<Result<(), Error>>>,
    pub by_module: Arc<AtomicU64>,
    pub by_fallback: Arc<AtomicU64>,
}

impl Load {
    pub fn start(limiter: &RateLimiter, tasks: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (by_module, by_fallback) = (Arc::default(), Arc::default());
        let task = |number| {
            let limiter = limiter.clone();
            let stop = Arc::clone(&stop);
            let counts: [Arc<AtomicU64>; 2] = [Arc::clone(&by_module), Arc::clone(&by_fallback)];
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
        Self { tasks: (0..tasks).map(task).collect(), stop, by_module, by_fallback }
    }

    /// Waits until `count` has grown by a hundred checks.
    pub async fn continues(count: &AtomicU64) {
        let before = count.load(Ordering::Relaxed);
        until("checks are answered", async || count.load(Ordering::Relaxed) > before + 100).await;
    }

    pub async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap().unwrap();
        }
    }
}
