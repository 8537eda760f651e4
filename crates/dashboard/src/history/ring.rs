use std::collections::VecDeque;

use super::bucket::Bucket;

/// The newest buckets, each for `step` seconds.
#[derive(Clone, Debug)]
pub struct Ring {
    step: u64,
    capacity: usize,
    /// The number of the newest bucket: the seconds since the epoch, divided by `step`.
    newest: u64,
    buckets: VecDeque<Bucket>,
}

impl Ring {
    pub const fn new(step: u64, capacity: usize) -> Self {
        Self { step, capacity, newest: 0, buckets: VecDeque::new() }
    }

    /// The bucket of an instant, in seconds since the epoch; `None` if it is too old.
    pub fn bucket(&mut self, second: u64) -> Option<&mut Bucket> {
        let number = second / self.step;
        if self.buckets.is_empty() || number >= self.newest + self.capacity as u64 {
            self.buckets.clear();
            self.buckets.push_back(Bucket::default());
            self.newest = number;
        }
        while self.newest < number {
            self.newest += 1;
            self.buckets.push_back(Bucket::default());
            if self.buckets.len() > self.capacity {
                self.buckets.pop_front();
            }
        }
        let age = usize::try_from(self.newest - number).ok()?;
        let missing = (age + 1).min(self.capacity).saturating_sub(self.buckets.len());
        for _ in 0..missing {
            self.buckets.push_front(Bucket::default());
        }
        let index = self.buckets.len().checked_sub(age + 1)?;
        self.buckets.get_mut(index)
    }

    /// The seconds that a full ring has buckets for.
    pub const fn seconds(&self) -> u64 {
        self.step * self.capacity as u64
    }

    /// The first second of the newest bucket; `None` if there are no buckets.
    pub fn newest(&self) -> Option<u64> {
        (!self.buckets.is_empty()).then_some(self.newest * self.step)
    }

    /// Drops the bucket of an instant and all later ones.
    pub fn drop_from(&mut self, second: u64) {
        let number = second / self.step;
        while self.newest >= number && self.buckets.pop_back().is_some() {
            self.newest = self.newest.saturating_sub(1);
        }
    }

    /// The buckets, oldest first, each with its first second since the epoch.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, Bucket)> {
        let oldest = (self.newest + 1).saturating_sub(self.buckets.len() as u64);
        (oldest..)
            .map(|number| number * self.step)
            .zip(self.buckets.iter().copied())
            .collect::<Vec<_>>()
            .into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::Ring;

    fn counts(ring: &Ring) -> Vec<(u64, f32)> {
        ring.iter().map(|(second, bucket)| (second, bucket.allowed)).collect()
    }

    #[test]
    fn buckets_are_in_order_and_the_oldest_leave() {
        let mut ring = Ring::new(1, 4);
        for (second, count) in [(100, 1.0), (101, 2.0), (103, 4.0), (100, 8.0)] {
            ring.bucket(second).unwrap().allowed += count;
        }
        assert_eq!(counts(&ring), [(100, 9.0), (101, 2.0), (102, 0.0), (103, 4.0)]);
        ring.bucket(105).unwrap().allowed += 16.0;
        assert_eq!(counts(&ring), [(102, 0.0), (103, 4.0), (104, 0.0), (105, 16.0)]);
        assert!(ring.bucket(101).is_none());
        ring.bucket(1000).unwrap().allowed += 32.0;
        assert_eq!(counts(&ring), [(1000, 32.0)]);
        ring.bucket(998).unwrap().allowed += 1.0;
        assert_eq!(counts(&ring), [(998, 1.0), (999, 0.0), (1000, 32.0)]);
    }

    #[test]
    fn later_buckets_are_dropped() {
        let mut ring = Ring::new(10, 4);
        assert_eq!(ring.newest(), None);
        for second in [100, 110, 120, 130] {
            ring.bucket(second).unwrap().allowed += 1.0;
        }
        ring.drop_from(125);
        assert_eq!((counts(&ring), ring.newest()), (vec![(100, 1.0), (110, 1.0)], Some(110)));
        ring.drop_from(50);
        assert_eq!((counts(&ring), ring.newest()), (vec![], None));
        ring.bucket(50).unwrap().allowed += 1.0;
        assert_eq!(counts(&ring), [(50, 1.0)]);
    }

    #[test]
    fn a_bucket_has_all_seconds_of_its_step() {
        let mut ring = Ring::new(60, 2);
        for second in [60, 119, 120] {
            ring.bucket(second).unwrap().allowed += 1.0;
        }
        assert_eq!(counts(&ring), [(60, 2.0), (120, 1.0)]);
    }
}
