use std::sync::atomic::{AtomicU32, Ordering};

/// The number of counters. Keys that share a counter only cost each other a round trip.
const COUNTERS: usize = 1_024;

/// A version per key, which counts its invalidations. Keys are identified by hash.
pub(super) struct KeyVersions(Box<[AtomicU32]>);

impl KeyVersions {
    pub(super) fn new() -> Self {
        Self((0..COUNTERS).map(|_| AtomicU32::new(0)).collect())
    }

    pub(super) fn get(&self, hash: u64) -> u32 {
        self.counter(hash).load(Ordering::Acquire)
    }

    pub(super) fn increment(&self, hash: u64) {
        self.counter(hash).fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn increment_all(&self) {
        for counter in &self.0 {
            counter.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn counter(&self, hash: u64) -> &AtomicU32 {
        static UNUSED: AtomicU32 = AtomicU32::new(0);
        let index = usize::try_from(hash % COUNTERS as u64).unwrap_or(0);
        self.0.get(index).unwrap_or(&UNUSED)
    }
}
