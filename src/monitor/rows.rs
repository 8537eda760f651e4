use rand::Rng;
use rand::rngs::SmallRng;

/// The buckets of `HeavyKeeper`: for each key a count that is at most its checks, and close to them if
/// they are many.
///
/// A key has one bucket in each row. One that finds its own fingerprint there adds one. One that finds
/// another's takes one off with probability `1.08^-count`, and moves in if nothing is left: light keys
/// wear one another down, and a bucket at 200 loses one to about five million checks of others.
pub struct Rows {
    buckets: [Box<[Bucket]>; 2],
    mask: u64,
    decay: [u32; STEPS],
    random: SmallRng,
}

/// A count of 0 is an empty bucket, whatever its fingerprint.
#[derive(Clone, Copy, Default)]
struct Bucket {
    fingerprint: u32,
    count: u32,
}

/// Counts from here on lose nothing: `1.08^-289` is less than `2^-32`.
const STEPS: usize = 289;

impl Rows {
    /// Empty rows of `width` buckets, or the next power of two; `random` decides what decays.
    pub fn new(width: usize, random: SmallRng) -> Self {
        let width = width.next_power_of_two();
        let row = || vec![Bucket::default(); width].into_boxed_slice();
        let mask = u64::try_from(width - 1).unwrap_or(u64::MAX);
        Self { buckets: [row(), row()], mask, decay: decay(), random }
    }

    /// Counts one check of the key with this hash; gives the key's count.
    pub fn add(&mut self, hash: u64) -> u32 {
        let fingerprint = fingerprint(hash);
        let dice = halves(self.random.next_u64());
        let mut most = 0;
        let places = places(hash, self.mask);
        for ((row, place), dice) in self.buckets.iter_mut().zip(places).zip(dice) {
            if let Some(bucket) = row.get_mut(place) {
                most = most.max(bucket.add(fingerprint, dice < chance(&self.decay, bucket.count)));
            }
        }
        most
    }

    /// The key's count: 0 if it holds no bucket.
    pub fn count(&self, hash: u64) -> u32 {
        let fingerprint = fingerprint(hash);
        let buckets = self.buckets.iter().zip(places(hash, self.mask));
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

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.buckets.iter().map(|row| size_of_val(&**row)).sum()
    }
}

impl Bucket {
    /// Counts one check of the key with this fingerprint; gives the key's count. `wears` says whether
    /// another key's count is to lose one.
    ///
    /// What happens is chance, so that a branch would be mispredicted: these become conditional moves.
    fn add(&mut self, fingerprint: u32, wears: bool) -> u32 {
        let same = self.fingerprint == fingerprint;
        let left = self.count.saturating_sub(u32::from(wears));
        let free = left == 0;
        let count = if same { self.count.saturating_add(1) } else { u32::from(free) };
        self.count = if same { count } else { left.max(1) };
        self.fingerprint = if free { fingerprint } else { self.fingerprint };
        count
    }
}

/// The chance that a check of another key takes one off `count`, in parts of `2^32`.
fn chance(decay: &[u32; STEPS], count: u32) -> u32 {
    usize::try_from(count).ok().and_then(|count| decay.get(count)).copied().unwrap_or(0)
}

/// `1.08^-count` in parts of `2^32`, for each count.
fn decay() -> [u32; STEPS] {
    let mut chance = 1_u64 << 58;
    std::array::from_fn(|_| {
        let threshold = u32::try_from(chance >> 26).unwrap_or(u32::MAX);
        chance = chance / 27 * 25;
        threshold
    })
}

/// The upper half of the hash; the lower gives the place in the first row.
fn fingerprint(hash: u64) -> u32 {
    let [upper, _] = halves(hash);
    upper
}

/// The upper 32 bits and the lower.
fn halves(word: u64) -> [u32; 2] {
    let halves = [word >> 32, word & u64::from(u32::MAX)];
    halves.map(|half| u32::try_from(half).unwrap_or(u32::MAX))
}

/// The key's bucket in each row. The second mixes the whole hash, so that keys which share a bucket and a
/// fingerprint in the first row do not share them in the second.
fn places(hash: u64, mask: u64) -> [usize; 2] {
    /// The golden ratio's fraction, odd.
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let second = hash.wrapping_mul(MIX) >> 32;
    [hash & mask, second & mask].map(|place| usize::try_from(place).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{Rows, STEPS, decay};
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    fn rows(width: usize) -> Rows {
        Rows::new(width, SmallRng::seed_from_u64(1))
    }

    /// A hash with this fingerprint, in the first bucket of the first row.
    fn hash(fingerprint: u64) -> u64 {
        fingerprint << 32
    }

    #[test]
    fn the_chances_are_those_of_the_formula() {
        for (count, threshold) in decay().into_iter().enumerate().skip(1) {
            let exact = 1.08_f64.powi(-i32::try_from(count).unwrap()) * 4_294_967_296.0;
            assert!((f64::from(threshold) - exact).abs() <= 1.0, "{count}: {threshold} of {exact}");
        }
        assert_eq!(decay()[STEPS - 2..], [1, 1]);
        assert!(1.08_f64.powi(-i32::try_from(STEPS).unwrap()) * 4_294_967_296.0 < 1.0);
    }

    #[test]
    fn a_key_alone_is_counted_exactly() {
        let mut rows = rows(1024);
        for count in 1..=1_000 {
            assert_eq!(rows.add(hash(7)), count);
        }
        assert_eq!((rows.count(hash(7)), rows.count(hash(8))), (1_000, 0));
    }

    #[test]
    fn a_light_key_is_worn_down_and_a_heavy_one_is_not() {
        // One bucket in each row.
        let mut rows = rows(1);
        for _ in 0..5 {
            rows.add(hash(1));
        }
        // At most 1.08 + 1.08^2 + ... + 1.08^5, about 6, of others in the mean.
        let others = (2..1_000).take_while(|&other| rows.add(hash(other)) == 0).count();
        assert!((1..100).contains(&others), "{others}");
        for _ in 0..400 {
            rows.add(hash(1));
        }
        let before = rows.count(hash(1));
        assert!(before >= 300, "{before}");
        for other in 1_000..101_000 {
            assert_eq!(rows.add(hash(other)), 0);
        }
        assert_eq!(rows.count(hash(1)), before);
    }

    #[test]
    fn halving_rounds_down_and_leaves_nothing_after_32() {
        let mut rows = rows(1024);
        for _ in 0..13 {
            rows.add(hash(1));
        }
        rows.halve(2);
        assert_eq!(rows.count(hash(1)), 3);
        rows.halve(0);
        assert_eq!(rows.count(hash(1)), 3);
        rows.halve(32);
        assert_eq!(rows.count(hash(1)), 0);
        assert_eq!((rows.add(hash(2)), rows.add(hash(1))), (1, 1));
    }

    #[test]
    fn a_count_stops_at_its_greatest() {
        let mut rows = rows(1);
        rows.add(hash(1));
        for bucket in rows.buckets.iter_mut().flatten() {
            bucket.count = u32::MAX - 1;
        }
        assert_eq!([rows.add(hash(1)), rows.add(hash(1))], [u32::MAX; 2]);
        assert_eq!(rows.add(hash(2)), 0);
        assert_eq!(rows.count(hash(1)), u32::MAX);
    }

    #[test]
    fn keys_that_look_alike_in_one_row_are_told_apart_by_the_other() {
        let mut rows = rows(1024);
        // The same fingerprint and the same place in the first row.
        let (one, other) = (hash(1), hash(1) | 1 << 20);
        for _ in 0..100 {
            rows.add(one);
        }
        let [_, second] = super::places(one, rows.mask);
        assert_ne!(second, super::places(other, rows.mask)[1]);
        assert_eq!(rows.buckets[1][second].count, 100);
    }
}
