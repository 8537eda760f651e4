use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::key::Key;
use crate::Log;

/// The approximate overhead of an allocation.
pub(super) const ALLOCATION_OVERHEAD: usize = 16;

/// The memory of all shards, and the number of keys evicted to free memory. It has its own cache lines, because it is
/// written more often than its neighbours.
#[repr(align(128))]
pub(super) struct Memory {
    max: usize,
    bytes: AtomicUsize,
    evicted: AtomicU64,
}

impl Memory {
    /// Creates a bound of `max` bytes, of which `bytes` are used.
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

    /// Replaces a size of `before` with `after`.
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

/// Returns a log's bytes on the heap.
#[inline]
pub(super) fn log_bytes(log: &Log) -> usize {
    log.heap_bytes() + log.allocations() * ALLOCATION_OVERHEAD
}

/// Returns a key's bytes on the heap.
pub(super) fn key_bytes(key: &Key) -> usize {
    match key.heap_bytes() {
        0 => 0,
        bytes => bytes + ALLOCATION_OVERHEAD,
    }
}
