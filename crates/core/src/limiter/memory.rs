use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::key::Key;
use crate::Log;

/// Bytes that an allocator takes for itself with each allocation, about.
pub(super) const ALLOCATION_OVERHEAD: usize = 16;

/// What all shards hold together, and what had to go for it. Alone in its cache lines: it is written more often
/// than what stands beside it.
#[repr(align(128))]
pub(super) struct Memory {
    max: usize,
    bytes: AtomicUsize,
    evicted: AtomicU64,
}

impl Memory {
    /// A bound of `max`, of which `bytes` are taken.
    pub(super) fn new(max: usize, bytes: usize) -> Self {
        Self { max, bytes: AtomicUsize::new(bytes), evicted: AtomicU64::new(0) }
    }

    pub(super) fn max(&self) -> usize {
        self.max
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    pub(super) fn is_over(&self) -> bool {
        self.bytes() > self.max
    }

    /// What was `before` is `after` from now on.
    pub(super) fn replace(&self, before: usize, after: usize) {
        if after != before {
            self.bytes.fetch_add(after.wrapping_sub(before), Relaxed);
        }
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted.load(Relaxed)
    }

    pub(super) fn count_evicted(&self) {
        self.evicted.fetch_add(1, Relaxed);
    }
}

/// Bytes that a log holds beside itself.
#[inline]
pub(super) fn log_bytes(log: &Log) -> usize {
    log.heap_bytes() + log.allocations() * ALLOCATION_OVERHEAD
}

/// Bytes that a key holds beside itself.
pub(super) fn key_bytes(key: &Key) -> usize {
    match key.heap_bytes() {
        0 => 0,
        bytes => bytes + ALLOCATION_OVERHEAD,
    }
}
