//! The keys that most checks of about now ask about, in a fixed amount of memory.
//!
//! The algorithm is `HeavyKeeper` (J. Gong et al., USENIX ATC 2018), with two rows and b = 1.08.
//!
//! # Counts
//!
//! Time is cut into half-lives. A check of the present one counts one, of the one before it a half, then a
//! quarter, and so on. A key checked at a steady pace thus reads between one half-life's checks (just after
//! a cut) and two (just before the next).
//!
//! A count is never more than that sum, unless another key in the same bucket has the same fingerprint of
//! 32 bits: a chance of `2^-32` for each check that meets another key's bucket. It falls short
//!
//! - by rounding: less than one;
//! - by what checks of other keys take off the bucket, one of `w` in its row. For a key with `n` of `N`
//!   checks that holds its bucket, that is more than `eps * N` with a probability of at most
//!   `1 / (2 * eps * w * n * (b - 1))` (the paper's error bound, for checks in no particular order). Of
//!   1,000,000 checks, `w` = 1024 and a key that has 10,000: more than 100 with less than one in a hundred.
//!   The greater count of two rows is taken, so that both must fail;
//! - by all of it for a key that never gets hold of a bucket, or of a place in the table. That is for keys
//!   with less than about `N / w` checks, and for those at the light end of the table.

use ahash::RandomState;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use ratelog_core::Instant;

use super::rows::Rows;
use super::table::{Heavy, Table};

/// The time after which a check counts half as much, in milliseconds.
pub const HALF_LIFE: i64 = 60_000;

/// Names kept for each one asked for: which keys are the last in the table is much a matter of chance.
const SPARE: usize = 2;

/// Finds the heaviest keys of a stream of checks.
pub struct Sketch {
    k: usize,
    rows: Rows,
    table: Table,
    hasher: RandomState,
    /// When the present half-life began, in milliseconds since the Unix epoch: a multiple of [`HALF_LIFE`].
    since: i64,
}

impl Sketch {
    /// The most keys that a sketch can find.
    pub const MAX_K: usize = 1024;

    /// An empty sketch for the `k` heaviest keys; a `k` out of range becomes 1 or [`Self::MAX_K`].
    ///
    /// All memory is allocated here, but for the names found.
    pub fn new(k: usize) -> Self {
        let hasher = RandomState::new();
        let seed = hasher.hash_one(k);
        Self::with_state(k, hasher, seed)
    }

    pub(super) fn with_state(k: usize, hasher: RandomState, seed: u64) -> Self {
        let k = k.clamp(1, Self::MAX_K);
        let rows = Rows::new((16 * k).max(1024), SmallRng::seed_from_u64(seed));
        Self { k, rows, table: Table::new(SPARE * k), hasher, since: 0 }
    }

    /// The keys that this sketch can find.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Counts one check of the key `name` at `now`.
    #[cfg(test)]
    pub fn add(&mut self, name: &[u8], now: Instant) {
        self.add_hashed(self.hash(name), name, now);
    }

    /// The hash of a name, for [`Self::add_hashed`].
    pub fn hash(&self, name: &[u8]) -> u64 {
        self.hasher.hash_one(name)
    }

    /// Counts one check of the key `name`, which has this `hash`, at `now`. All the hashes that a sketch is
    /// given must be of the same [`Self::hash`], of this sketch or another, so that sketches can share them.
    pub fn add_hashed(&mut self, hash: u64, name: &[u8], now: Instant) {
        self.age(now);
        let count = self.rows.add(hash);
        if count == self.table.bar() {
            self.table.offer(hash, name, count, |hash| self.rows.count(hash));
        }
    }

    /// The heaviest keys at `now`: heaviest first, then by name, at most [`Self::k`].
    pub fn top(&mut self, now: Instant) -> Vec<Heavy> {
        let mut names = self.names(now);
        names.truncate(self.k);
        names
    }

    /// All keys whose names are kept, some more than [`Self::k`], in the same order.
    pub fn names(&mut self, now: Instant) -> Vec<Heavy> {
        self.age(now);
        self.table.refresh(|hash| self.rows.count(hash));
        self.table.top(usize::MAX)
    }

    /// The count at `now` of the key with this `hash`, whether its name is kept or not.
    pub fn count(&mut self, hash: u64, now: Instant) -> u64 {
        self.age(now);
        self.rows.count(hash).into()
    }

    /// Bytes on the heap.
    pub fn bytes(&self) -> usize {
        self.rows.heap_bytes() + self.table.heap_bytes()
    }

    fn age(&mut self, now: Instant) {
        if !(0..HALF_LIFE).contains(&(now.unix_millis() - self.since)) {
            self.turn(now);
        }
    }

    /// Halves the counts once for each half-life begun since the last check. A clock set back by a
    /// half-life or more is followed, and halves nothing; less is only jitter.
    #[cold]
    fn turn(&mut self, now: Instant) {
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
        self.table.refresh(|hash| self.rows.count(hash));
        self.table.halve(times);
        self.rows.halve(times);
    }
}

#[cfg(test)]
mod tests {
    use ahash::RandomState;
    use ratelog_core::Instant;

    use super::{HALF_LIFE, Sketch};
    use crate::monitor::Heavy;

    /// A beginning of a half-life.
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
        let text = |heavy: Heavy| (String::from_utf8(heavy.name.into()).unwrap(), heavy.count);
        sketch.top(at(now)).into_iter().map(text).collect()
    }

    fn told(pairs: &[(&str, u64)]) -> Vec<(String, u64)> {
        pairs.iter().map(|&(name, count)| (name.to_owned(), count)).collect()
    }

    #[test]
    fn keys_that_never_come_again_do_not_push_out_a_heavy_one() {
        let mut sketch = sketch(2, 1);
        add(&mut sketch, "heavy", 300, 0);
        for key in 0..100_000_u32 {
            sketch.add(&key.to_le_bytes(), at(0));
        }
        assert_eq!(top(&mut sketch, 0)[0], ("heavy".into(), 300));
        assert_eq!(sketch.top(at(0)).len(), 2);
    }

    #[test]
    fn a_key_heavy_long_ago_is_overtaken() {
        let mut sketch = sketch(8, 1);
        add(&mut sketch, "old", 1_000, HALF_LIFE - 1);
        add(&mut sketch, "new", 100, HALF_LIFE - 1);
        assert_eq!(top(&mut sketch, HALF_LIFE - 1), told(&[("old", 1_000), ("new", 100)]));
        assert_eq!(top(&mut sketch, HALF_LIFE), told(&[("old", 500), ("new", 50)]));
        add(&mut sketch, "new", 100, 4 * HALF_LIFE);
        assert_eq!(top(&mut sketch, 4 * HALF_LIFE), told(&[("new", 106), ("old", 62)]));
        assert_eq!(top(&mut sketch, 9 * HALF_LIFE), told(&[("new", 3), ("old", 1)]));
        assert_eq!(top(&mut sketch, 10 * HALF_LIFE), told(&[("new", 1)]));
        assert_eq!(top(&mut sketch, 1_000_000_000 * HALF_LIFE), told(&[]));
    }

    #[test]
    fn a_steady_key_weighs_between_one_and_two_half_lives() {
        let mut sketch = sketch(1, 1);
        for minute in 0..20 {
            add(&mut sketch, "steady", 100, minute * HALF_LIFE);
        }
        assert_eq!(top(&mut sketch, 20 * HALF_LIFE - 1), told(&[("steady", 199)]));
        assert_eq!(top(&mut sketch, 20 * HALF_LIFE), told(&[("steady", 99)]));
    }

    #[test]
    fn a_clock_that_steps_back_halves_nothing_and_time_goes_on_from_there() {
        let mut sketch = sketch(1, 1);
        add(&mut sketch, "a", 100, 0);
        // Jitter about the beginning of a half-life halves once.
        for now in [-1, 0, -HALF_LIFE, HALF_LIFE, HALF_LIFE - 1, HALF_LIFE] {
            add(&mut sketch, "a", 0, now);
            let expected = if now >= HALF_LIFE - 1 { 50 } else { 100 };
            assert_eq!(top(&mut sketch, now), told(&[("a", expected)]), "{now}");
        }
        assert_eq!(top(&mut sketch, -90 * HALF_LIFE), told(&[("a", 50)]));
        assert_eq!(top(&mut sketch, -90 * HALF_LIFE + HALF_LIFE - 1), told(&[("a", 50)]));
        assert_eq!(top(&mut sketch, -89 * HALF_LIFE), told(&[("a", 25)]));
        assert_eq!(sketch.top(Instant::MAX), []);
        add(&mut sketch, "b", 3, 0);
        assert_eq!(top(&mut sketch, 0), told(&[("b", 3)]));
    }

    #[test]
    fn the_first_second_of_the_epoch_is_a_time_like_any_other() {
        let mut sketch = sketch(1, 1);
        let zero = Instant::from_unix_millis(0).unwrap();
        sketch.add(b"a", zero);
        assert_eq!(sketch.top(zero).len(), 1);
    }

    #[test]
    fn names_are_any_bytes_and_ties_go_by_name() {
        let mut sketch = sketch(8, 1);
        let long = "x".repeat(100_000);
        add(&mut sketch, "b", 2, 0);
        add(&mut sketch, "", 2, 0);
        add(&mut sketch, "a", 2, 0);
        add(&mut sketch, &long, 3, 0);
        add(&mut sketch, "\0\r\n", 1, 0);
        let expected = [(long.as_str(), 3), ("", 2), ("a", 2), ("b", 2), ("\0\r\n", 1)];
        assert_eq!(top(&mut sketch, 0), told(&expected));
    }

    #[test]
    fn one_name_is_kept_if_one_is_asked_for() {
        for k in [0, 1] {
            let mut sketch = sketch(k, 1);
            assert_eq!(sketch.k(), 1);
            add(&mut sketch, "a", 5, 0);
            add(&mut sketch, "b", 9, 0);
            add(&mut sketch, "c", 30, 0);
            add(&mut sketch, "d", 7, 0);
            assert_eq!(top(&mut sketch, 0), told(&[("c", 30)]));
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
        assert_eq!(top(&mut one, 0), told(&[("a", 1)]));
        assert_eq!(top(&mut other, 0), told(&[("a", 3)]));
        assert_ne!(one.hash(b"a"), other.hash(b"a"), "the seeds are random");
    }
}
