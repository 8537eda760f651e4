//! Tests the sketch with the traffic of many keys, against exact counts.

use std::cmp::Reverse;
use std::collections::HashMap;

use ahash::RandomState;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use ratelog_core::Instant;

use super::{HeavyKey, Sketch};

/// Returns keys drawn by rank, with a probability proportional to `rank^-s`.
fn zipf(s: f64, keys: u32, checks: usize) -> Vec<u32> {
    let sums: Vec<f64> = (1..=keys)
        .scan(0.0, |sum, rank| {
            *sum += f64::from(rank).powf(-s);
            Some(*sum)
        })
        .collect();
    let mut random = SmallRng::seed_from_u64(11);
    let mut draw = || random.random::<f64>() * sums.last().unwrap();
    let rank = |drawn| u32::try_from(sums.partition_point(|&sum| sum < drawn)).unwrap();
    (0..checks).map(|_| rank(draw())).collect()
}

/// Returns the exact checks of each key, heaviest first.
fn exact(stream: &[u32]) -> Vec<(u32, u64)> {
    let mut counts = HashMap::new();
    for &key in stream {
        *counts.entry(key).or_insert(0_u64) += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable_by_key(|&(key, count)| (Reverse(count), key));
    counts
}

/// Returns the sketch's estimate for a stream whose checks are all in one half-life.
fn estimated(stream: &[u32], seed: u64) -> Vec<(u32, u64)> {
    let now = Instant::from_clock(1_700_000_000_000);
    let mut sketch = Sketch::with_state(64, RandomState::with_seeds(seed, 2, 3, 4), seed);
    for key in stream {
        sketch.add(&key.to_le_bytes(), now);
    }
    let key = |heavy: &HeavyKey<'_>| u32::from_le_bytes(heavy.name.try_into().unwrap());
    sketch.refresh(now);
    sketch.top(usize::MAX).iter().map(|heavy| (key(heavy), heavy.count)).collect()
}

#[test]
fn the_ten_heaviest_of_a_hundred_thousand_keys_are_found_in_order() {
    for s in [1.0, 1.2] {
        let stream = zipf(s, 100_000, 1_000_000);
        let exact = exact(&stream);
        let truth: HashMap<u32, u64> = exact.iter().copied().collect();
        for seed in 1..=4 {
            let found = estimated(&stream, seed);
            assert_eq!(found.len(), 64);
            for ((key, count), (found_key, found_count)) in exact.iter().zip(&found).take(10) {
                assert_eq!(key, found_key, "s {s}, seed {seed}");
                assert!(found_count * 100 >= count * 99, "{found_count} of {count}");
            }
            assert!(found.iter().all(|(key, count)| *count <= truth[key]), "s {s}, seed {seed}");
            let lightest = exact[63].1;
            let right = found.iter().filter(|(key, _)| truth[key] >= lightest).count();
            assert!(right >= 58, "{right} of 64 with s {s}, seed {seed}");
        }
    }
}

#[test]
fn keys_of_equal_weight_are_never_overcounted() {
    let mut random = SmallRng::seed_from_u64(12);
    for keys in [1, 2, 64, 100, 200, 3_000, 100_000] {
        let stream: Vec<u32> = (0..200_000).map(|_| random.random_range(0..keys)).collect();
        let truth: HashMap<u32, u64> = exact(&stream).into_iter().collect();
        let found = estimated(&stream, u64::from(keys));
        assert_eq!(found.len(), truth.len().min(64), "{keys} keys");
        assert!(found.iter().all(|(key, count)| *count <= truth[key]), "{keys} keys");
        assert!(found.is_sorted_by_key(|&(_, count)| Reverse(count)), "{keys} keys");
    }
}
