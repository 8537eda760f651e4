//! Finds the keys with the most recent checks, in a fixed amount of memory.
//!
//! The algorithm is `HeavyKeeper` (J. Gong et al., USENIX ATC 2018), with two rows and b = 1.08.
//!
//! # Counts
//!
//! Time is divided into half-lives. A check in the current half-life counts one, in the previous one a half, then a
//! quarter, and so on. A key that is checked at a steady rate has a count between one half-life's checks (at the start
//! of a half-life) and two (at its end).
//!
//! A count exceeds that sum only if another key in the same bucket has the same 32-bit fingerprint: the probability is
//! `2^-32` for each check that meets another key's bucket. A count falls short of the sum
//!
//! - by rounding: less than one;
//! - by decay: checks of other keys subtract from the bucket, one of `w` in its row. For a key with `n` of `N` checks that
//!   holds its bucket, the loss is more than `eps * N` with a probability of at most `1 / (2 * eps * w * n * (b - 1))` (the
//!   paper's error bound, for checks in random order). With 1,000,000 checks, `w` = 1024 and a key with 10,000 checks, the
//!   loss is more than 100 with a probability below 1 %. The larger count of two rows is used, so both must fail;
//! - entirely, for a key that never holds a bucket or a place in the table: a key with fewer than about `N / w` checks, or
//!   one at the light end of the table.

use ahash::RandomState;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use ratelog_core::Instant;

use super::heavy_keeper::HeavyKeeper;
use super::top_k::{HeavyKey, TopK, heaviest};

/// The time after which a check counts half, in milliseconds.
pub const HALF_LIFE: i64 = 60_000;

/// The number of stored names per requested name. The lightest keys in the table are largely random.
const STORED_NAMES_PER_RESULT: usize = 2;

/// Finds the heaviest keys of a stream of checks.
pub struct Sketch {
    k: usize,
    counts: HeavyKeeper,
    names: TopK,
    hasher: RandomState,
    /// The start of the current half-life in milliseconds since the Unix epoch. It is a multiple of [`HALF_LIFE`].
    since: i64,
}

impl Sketch {
    /// The maximum number of keys.
    pub const MAX_K: usize = 1024;

    /// Creates an empty sketch for the `k` heaviest keys. A `k` out of range becomes 1 or [`Self::MAX_K`].
    ///
    /// This allocates all memory except for the names.
    pub fn new(k: usize) -> Self {
        let hasher = RandomState::new();
        let seed = hasher.hash_one(k);
        Self::with_state(k, hasher, seed)
    }

    pub(super) fn with_state(k: usize, hasher: RandomState, seed: u64) -> Self {
        let k = k.clamp(1, Self::MAX_K);
        let counts = HeavyKeeper::new((16 * k).max(1024), SmallRng::seed_from_u64(seed));
        Self { k, counts, names: TopK::new(STORED_NAMES_PER_RESULT * k), hasher, since: 0 }
    }

    /// Returns the number of keys that this sketch finds.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Counts one check of the key `name` at `now`.
    #[cfg(test)]
    pub fn add(&mut self, name: &[u8], now: Instant) {
        self.add_hashed(self.hash(name), name, now);
    }

    /// Returns the hash of a name for [`Self::add_hashed`].
    pub fn hash(&self, name: &[u8]) -> u64 {
        self.hasher.hash_one(name)
    }

    /// Counts one check of the key `name` with this `hash` at `now`. All hashes that you pass to a sketch must come
    /// from [`Self::hash`] of one sketch, which may be another one. So sketches can share hashes.
    pub fn add_hashed(&mut self, hash: u64, name: &[u8], now: Instant) {
        self.decay(now);
        let count = self.counts.add(hash);
        if count == self.names.threshold() {
            self.names.offer(hash, name, count, |hash| self.counts.count(hash));
        }
    }

    /// Updates the counts to `now`, for [`Self::top`], [`Self::keys`] and [`Self::count`].
    pub fn refresh(&mut self, now: Instant) {
        self.decay(now);
        self.names.refresh(|hash| self.counts.count(hash));
    }

    /// Returns the heaviest keys: heaviest first, then by name, and at most `most` or [`Self::k`] of them.
    pub fn top(&self, most: usize) -> Vec<HeavyKey<'_>> {
        heaviest(self.keys(), most.min(self.k))
    }

    /// Returns all keys whose names are stored, in no order. They are more than [`Self::k`].
    pub fn keys(&self) -> impl Iterator<Item = HeavyKey<'_>> {
        self.names.keys()
    }

    /// Returns the count of the key with this `hash`, even if its name is not stored.
    pub fn count(&self, hash: u64) -> u64 {
        self.counts.count(hash).into()
    }

    /// Returns the bytes on the heap.
    pub fn bytes(&self) -> usize {
        self.counts.heap_bytes() + self.names.heap_bytes()
    }

    fn decay(&mut self, now: Instant) {
        if !(0..HALF_LIFE).contains(&(now.unix_millis() - self.since)) {
            self.start_half_life(now);
        }
    }

    /// Halves the counts once for each half-life that began since the last check. If the clock is set back by a
    /// half-life or more, the sketch follows the clock without halving. It ignores smaller steps back as jitter.
    #[cold]
    fn start_half_life(&mut self, now: Instant) {
        let half_lives = now.unix_millis() / HALF_LIFE - self.since / HALF_LIFE;
        if half_lives == -1 {
            return;
        }
        self.since += half_lives * HALF_LIFE;
        if half_lives > 0 {
            self.halve(u32::try_from(half_lives).unwrap_or(u32::MAX));
        }
    }

    fn halve(&mut self, times: u32) {
        self.names.refresh(|hash| self.counts.count(hash));
        self.names.halve(times);
        self.counts.halve(times);
    }
}

#[cfg(test)]
mod tests {
    use ahash::RandomState;
    use ratelog_core::Instant;

    use super::{HALF_LIFE, Sketch};
    use crate::monitor::HeavyKey;

    /// The start of a half-life.
    const START: i64 = 1_700_000_040_000;

    fn at(millis: i64) -> Instant {
        Instant::from_unix_millis(START + millis).unwrap()
    }

    fn sketch(k: usize, seed: u64) -> Sketch {
        Sketch::with_state(k, RandomState::with_seeds(seed, 2, 3, 4), seed)
    }

    fn add(sketch: &mut Sketch, name: &str, times: usize, now: i64) {
        for _ in 0..times {
            sketch.add(name.as_bytes(), at(now));
        }
    }

    fn top(sketch: &mut Sketch, now: i64) -> Vec<(String, u64)> {
        let text =
            |heavy: HeavyKey<'_>| (String::from_utf8(heavy.name.into()).unwrap(), heavy.count);
        sketch.refresh(at(now));
        sketch.top(usize::MAX).into_iter().map(text).collect()
    }

    fn expected(pairs: &[(&str, u64)]) -> Vec<(String, u64)> {
        pairs.iter().map(|&(name, count)| (name.to_owned(), count)).collect()
    }

    #[test]
    fn keys_seen_once_do_not_replace_a_heavy_one() {
        let mut sketch = sketch(2, 1);
        add(&mut sketch, "heavy", 300, 0);
        for key in 0..100_000_u32 {
            sketch.add(&key.to_le_bytes(), at(0));
        }
        assert_eq!(top(&mut sketch, 0)[0], ("heavy".into(), 300));
        assert_eq!(top(&mut sketch, 0).len(), 2);
        assert_eq!(sketch.top(1).len(), 1);
        assert_eq!(sketch.top(0), []);
    }

    #[test]
    fn a_key_that_was_heavy_long_ago_is_overtaken() {
        let mut sketch = sketch(8, 1);
        add(&mut sketch, "old", 1_000, HALF_LIFE - 1);
        add(&mut sketch, "new", 100, HALF_LIFE - 1);
        assert_eq!(top(&mut sketch, HALF_LIFE - 1), expected(&[("old", 1_000), ("new", 100)]));
        assert_eq!(top(&mut sketch, HALF_LIFE), expected(&[("old", 500), ("new", 50)]));
        add(&mut sketch, "new", 100, 4 * HALF_LIFE);
        assert_eq!(top(&mut sketch, 4 * HALF_LIFE), expected(&[("new", 106), ("old", 62)]));
        assert_eq!(top(&mut sketch, 9 * HALF_LIFE), expected(&[("new", 3), ("old", 1)]));
        assert_eq!(top(&mut sketch, 10 * HALF_LIFE), expected(&[("new", 1)]));
        assert_eq!(top(&mut sketch, 1_000_000_000 * HALF_LIFE), expected(&[]));
    }

    #[test]
    fn the_count_of_a_steady_key_is_between_one_and_two_half_lives() {
        let mut sketch = sketch(1, 1);
        for minute in 0..20 {
            add(&mut sketch, "steady", 100, minute * HALF_LIFE);
        }
        assert_eq!(top(&mut sketch, 20 * HALF_LIFE - 1), expected(&[("steady", 199)]));
        assert_eq!(top(&mut sketch, 20 * HALF_LIFE), expected(&[("steady", 99)]));
    }

    #[test]
    fn a_clock_that_steps_back_halves_nothing_and_time_continues_from_there() {
        let mut sketch = sketch(1, 1);
        add(&mut sketch, "a", 100, 0);
        // Jitter around the beginning of a half-life halves the counts once.
        for now in [-1, 0, -HALF_LIFE, HALF_LIFE, HALF_LIFE - 1, HALF_LIFE] {
            add(&mut sketch, "a", 0, now);
            let count = if now >= HALF_LIFE - 1 { 50 } else { 100 };
            assert_eq!(top(&mut sketch, now), expected(&[("a", count)]), "{now}");
        }
        assert_eq!(top(&mut sketch, -90 * HALF_LIFE), expected(&[("a", 50)]));
        assert_eq!(top(&mut sketch, -90 * HALF_LIFE + HALF_LIFE - 1), expected(&[("a", 50)]));
        assert_eq!(top(&mut sketch, -89 * HALF_LIFE), expected(&[("a", 25)]));
        sketch.refresh(Instant::MAX);
        assert_eq!(sketch.top(1), []);
        add(&mut sketch, "b", 3, 0);
        assert_eq!(top(&mut sketch, 0), expected(&[("b", 3)]));
    }

    #[test]
    fn the_first_second_of_the_epoch_is_a_valid_time() {
        let mut sketch = sketch(1, 1);
        let zero = Instant::from_unix_millis(0).unwrap();
        sketch.add(b"a", zero);
        sketch.refresh(zero);
        assert_eq!(sketch.top(1).len(), 1);
    }

    #[test]
    fn names_may_be_any_bytes_and_ties_are_sorted_by_name() {
        let mut sketch = sketch(8, 1);
        let long = "x".repeat(100_000);
        add(&mut sketch, "b", 2, 0);
        add(&mut sketch, "", 2, 0);
        add(&mut sketch, "a", 2, 0);
        add(&mut sketch, &long, 3, 0);
        add(&mut sketch, "\0\r\n", 1, 0);
        let hash = sketch.hash(long.as_bytes());
        let shortened = format!("{}...[100000 bytes, {hash:016x}]", &long[..256]);
        let pairs = [(shortened.as_str(), 3), ("", 2), ("a", 2), ("b", 2), ("\0\r\n", 1)];
        assert_eq!(top(&mut sketch, 0), expected(&pairs));
    }

    #[test]
    fn k_is_clamped_to_its_range() {
        for k in [0, 1] {
            let mut sketch = sketch(k, 1);
            assert_eq!(sketch.k(), 1);
            add(&mut sketch, "a", 5, 0);
            add(&mut sketch, "b", 9, 0);
            add(&mut sketch, "c", 30, 0);
            add(&mut sketch, "d", 7, 0);
            assert_eq!(top(&mut sketch, 0), expected(&[("c", 30)]));
        }
        assert_eq!(Sketch::new(usize::MAX).k(), Sketch::MAX_K);
    }

    #[test]
    fn two_sketches_can_share_a_hash() {
        let (mut one, mut other) = (Sketch::new(4), Sketch::new(4));
        let hash = one.hash(b"a");
        one.add_hashed(hash, b"a", at(0));
        for _ in 0..3 {
            other.add_hashed(hash, b"a", at(0));
        }
        assert_eq!(top(&mut one, 0), expected(&[("a", 1)]));
        assert_eq!(top(&mut other, 0), expected(&[("a", 3)]));
        assert_ne!(one.hash(b"a"), other.hash(b"a"), "the seeds are random");
    }
}
