//! Writers that keep a server busy during a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use super::Server;
use super::wait::until;
use super::writer::{Mix, Writer};

const WRITERS: u64 = 3;

pub struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    writers: Vec<JoinHandle<()>>,
}

impl Load {
    pub fn on(server: &Server, mix: Mix) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicU64::new(0));
        let writers = (0..WRITERS)
            .map(|seed| {
                let mut writer = Writer::new(server.connect(), seed, mix);
                let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
                std::thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) && writer.write() {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        Self { stop, done, writers }
    }

    /// Waits until the writers have received `replies` more replies.
    #[track_caller]
    pub fn advance(&self, replies: u64) {
        let goal = self.done.load(Ordering::Relaxed) + replies;
        until("the writers make progress", || self.done.load(Ordering::Relaxed) >= goal);
    }

    #[track_caller]
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for writer in self.writers {
            writer.join().expect("no writer failed");
        }
    }
}
