use rand::Rng;
use rand::rngs::SmallRng;

/// The buckets of the `HeavyKeeper` algorithm. A key's count is at most its number of checks, and close to it if the key
/// is heavy.
///
/// A key has one bucket in each of two rows. If the bucket has the key's fingerprint, a check adds one. If it has
/// another fingerprint, the check subtracts one with probability `1.08^-count`, and replaces the fingerprint when the
/// count reaches zero. So light keys decay each other, while a bucket at 200 loses one in about five million checks of
/// other keys.
pub struct HeavyKeeper {
    buckets: [Box<[Bucket]>; 2],
    mask: u64,
    decay: [u32; DECAY_STEPS],
    random: SmallRng,
}

/// A bucket with a count of 0 is empty, whatever its fingerprint is.
#[derive(Clone, Copy, Default)]
struct Bucket {
    fingerprint: u32,
    count: u32,
}

/// Counts of at least this number do not decay, because `1.08^-289` is less than `2^-32`.
const DECAY_STEPS: usize = 289;

impl HeavyKeeper {
    /// Creates empty rows of `width` buckets, rounded up to a power of two. `random` decides which counts decay.
    pub fn new(width: usize, random: SmallRng) -> Self {
        let width = width.next_power_of_two();
        let row = || vec![Bucket::default(); width].into_boxed_slice();
        let mask = u64::try_from(width - 1).unwrap_or(u64::MAX);
        Self { buckets: [row(), row()], mask, decay: decay(), random }
    }

    /// Counts one check of the key with this hash. Returns the key's count.
    pub fn add(&mut self, hash: u64) -> u32 {
        let fingerprint = fingerprint(hash);
        let dice = halves(self.random.next_u64());
        let mut most = 0;
        let indices = bucket_indices(hash, self.mask);
        for ((row, index), dice) in self.buckets.iter_mut().zip(indices).zip(dice) {
            if let Some(bucket) = row.get_mut(index) {
                most = most.max(bucket.add(fingerprint, dice < chance(&self.decay, bucket.count)));
            }
        }
        most
    }

    /// Returns the key's count, or 0 if the key has no bucket.
    pub fn count(&self, hash: u64) -> u32 {
        let fingerprint = fingerprint(hash);
        let buckets = self.buckets.iter().zip(bucket_indices(hash, self.mask));
        buckets
            .filter_map(|(row, index)| row.get(index))
            .filter(|bucket| bucket.fingerprint == fingerprint)
            .map(|bucket| bucket.count)
            .max()
            .unwrap_or(0)
    }

    /// Halves every count `times` times, rounding down.
    pub fn halve(&mut self, times: u32) {
        for bucket in self.buckets.iter_mut().flatten() {
            bucket.count = bucket.count.checked_shr(times).unwrap_or(0);
        }
    }

    /// Returns the bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.buckets.iter().map(|row| size_of_val(&**row)).sum()
    }
}

impl Bucket {
    /// Counts one check of the key with this fingerprint, and returns the key's count. If `decays` is true and the
    /// bucket belongs to another key, that key's count loses one.
    ///
    /// A branch would be mispredicted, because `decays` is random. The compiler turns this code into conditional moves.
    fn add(&mut self, fingerprint: u32, decays: bool) -> u32 {
        let same = self.fingerprint == fingerprint;
        let left = self.count.saturating_sub(u32::from(decays));
        let free = left == 0;
        let count = if same { self.count.saturating_add(1) } else { u32::from(free) };
        self.count = if same { count } else { left.max(1) };
        self.fingerprint = if free { fingerprint } else { self.fingerprint };
        count
    }
}

/// Returns the probability that a check of another key subtracts one from `count`, in units of `2^-32`.
fn chance(decay: &[u32; DECAY_STEPS], count: u32) -> u32 {
    usize::try_from(count).ok().and_then(|count| decay.get(count)).copied().unwrap_or(0)
}

/// Returns `1.08^-count` in units of `2^-32` for each count.
fn decay() -> [u32; DECAY_STEPS] {
    let mut chance = 1_u64 << 58;
    std::array::from_fn(|_| {
        let threshold = u32::try_from(chance >> 26).unwrap_or(u32::MAX);
        chance = chance / 27 * 25;
        threshold
    })
}

/// Returns the upper half of the hash. The lower half selects the bucket in the first row.
fn fingerprint(hash: u64) -> u32 {
    let [upper, _] = halves(hash);
    upper
}

/// Returns the upper and the lower 32 bits.
fn halves(word: u64) -> [u32; 2] {
    let halves = [word >> 32, word & u64::from(u32::MAX)];
    halves.map(|half| u32::try_from(half).unwrap_or(u32::MAX))
}

/// Returns the index of the key's bucket in each row. The second index depends on the whole hash, so keys that share a
/// bucket and a fingerprint in the first row do not share them in the second.
fn bucket_indices(hash: u64, mask: u64) -> [usize; 2] {
    /// The fraction of the golden ratio, made odd.
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let second = hash.wrapping_mul(MIX) >> 32;
    [hash & mask, second & mask].map(|index| usize::try_from(index).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{DECAY_STEPS, HeavyKeeper, decay};
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    fn heavy_keeper(width: usize) -> HeavyKeeper {
        HeavyKeeper::new(width, SmallRng::seed_from_u64(1))
    }

    /// Returns a hash with this fingerprint, in the first bucket of the first row.
    fn hash(fingerprint: u64) -> u64 {
        fingerprint << 32
    }

    #[test]
    fn the_chances_match_the_formula() {
        for (count, threshold) in decay().into_iter().enumerate().skip(1) {
            let exact = 1.08_f64.powi(-i32::try_from(count).unwrap()) * 4_294_967_296.0;
            assert!((f64::from(threshold) - exact).abs() <= 1.0, "{count}: {threshold} of {exact}");
        }
        assert_eq!(decay()[DECAY_STEPS - 2..], [1, 1]);
        assert!(1.08_f64.powi(-i32::try_from(DECAY_STEPS).unwrap()) * 4_294_967_296.0 < 1.0);
    }

    #[test]
    fn a_single_key_is_counted_exactly() {
        let mut heavy_keeper = heavy_keeper(1024);
        for count in 1..=1_000 {
            assert_eq!(heavy_keeper.add(hash(7)), count);
        }
        assert_eq!((heavy_keeper.count(hash(7)), heavy_keeper.count(hash(8))), (1_000, 0));
    }

    #[test]
    fn a_light_key_decays_and_a_heavy_one_does_not() {
        // Each row has one bucket.
        let mut heavy_keeper = heavy_keeper(1);
        for _ in 0..5 {
            heavy_keeper.add(hash(1));
        }
        // On average, at most 1.08 + 1.08^2 + ... + 1.08^5 checks of other keys are needed, which is about 6.
        let others = (2..1_000).take_while(|&other| heavy_keeper.add(hash(other)) == 0).count();
        assert!((1..100).contains(&others), "{others}");
        for _ in 0..400 {
            heavy_keeper.add(hash(1));
        }
        let before = heavy_keeper.count(hash(1));
        assert!(before >= 300, "{before}");
        for other in 1_000..101_000 {
            assert_eq!(heavy_keeper.add(hash(other)), 0);
        }
        assert_eq!(heavy_keeper.count(hash(1)), before);
    }

    #[test]
    fn halving_rounds_down_and_reaches_zero_after_32() {
        let mut heavy_keeper = heavy_keeper(1024);
        for _ in 0..13 {
            heavy_keeper.add(hash(1));
        }
        heavy_keeper.halve(2);
        assert_eq!(heavy_keeper.count(hash(1)), 3);
        heavy_keeper.halve(0);
        assert_eq!(heavy_keeper.count(hash(1)), 3);
        heavy_keeper.halve(32);
        assert_eq!(heavy_keeper.count(hash(1)), 0);
        assert_eq!((heavy_keeper.add(hash(2)), heavy_keeper.add(hash(1))), (1, 1));
    }

    #[test]
    fn a_count_saturates() {
        let mut heavy_keeper = heavy_keeper(1);
        heavy_keeper.add(hash(1));
        for bucket in heavy_keeper.buckets.iter_mut().flatten() {
            bucket.count = u32::MAX - 1;
        }
        assert_eq!([heavy_keeper.add(hash(1)), heavy_keeper.add(hash(1))], [u32::MAX; 2]);
        assert_eq!(heavy_keeper.add(hash(2)), 0);
        assert_eq!(heavy_keeper.count(hash(1)), u32::MAX);
    }

    #[test]
    fn keys_that_collide_in_one_row_are_distinguished_by_the_other() {
        let mut heavy_keeper = heavy_keeper(1024);
        // Both have the same fingerprint and the same bucket in the first row.
        let (one, other) = (hash(1), hash(1) | 1 << 20);
        for _ in 0..100 {
            heavy_keeper.add(one);
        }
        let [_, second] = super::bucket_indices(one, heavy_keeper.mask);
        assert_ne!(second, super::bucket_indices(other, heavy_keeper.mask)[1]);
        assert_eq!(heavy_keeper.buckets[1][second].count, 100);
    }
}
