use ratelog_client::command::Counts;

use super::bucket::Bucket;
use super::ring::Ring;

/// The seconds by which a count may be older than the newest one. By more, the clock was set back.
const MAX_DELAY: u64 = 3;

/// The counts of a policy, or of all checks: 15 minutes by the second, 24 hours by the minute.
#[derive(Clone, Debug)]
pub struct Series {
    seconds: Ring,
    minutes: Ring,
}

/// A part of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// The last 15 minutes, by the second.
    Minutes15,
    /// The last 24 hours, by the minute.
    Hours24,
}

impl Default for Series {
    fn default() -> Self {
        Self { seconds: Ring::new(1, 900), minutes: Ring::new(60, 1440) }
    }
}

impl Series {
    /// The counts of the last seconds only, for a rate.
    #[must_use]
    pub fn of_seconds(seconds: usize) -> Self {
        Self { seconds: Ring::new(1, seconds), minutes: Ring::new(60, 1) }
    }

    /// Adds the counts of the `span` seconds until `now`, which is in seconds since the epoch. With a span of 0, they are
    /// further ones of that second.
    ///
    /// If the clock was set back, the counts of the seconds that it repeats are replaced.
    pub fn add(&mut self, now: u64, span: u32, counts: Counts) {
        let span = span.max(1);
        let share = Bucket::per_second(counts, span);
        let first = (now + 1).saturating_sub(u64::from(span));
        if self.seconds.newest().is_some_and(|newest| newest > now + MAX_DELAY) {
            self.drop_from(first);
        }
        let recent = first.max((now + 1).saturating_sub(self.seconds.seconds()));
        self.add_to_minutes(first, recent, share);
        for second in recent..=now {
            if let Some(bucket) = self.seconds.bucket(second) {
                let is_new = bucket.seconds <= 0.0;
                *bucket = bucket.plus(share);
                // Several nodes count in the same second.
                if let Some(minute) = self.minutes.bucket(second) {
                    let seconds = minute.seconds + f32::from(u8::from(is_new));
                    *minute = Bucket { seconds, ..minute.plus(share) };
                }
            }
        }
    }

    /// Adds a share to each second from `first` until before `end`. These seconds have no buckets of their own.
    fn add_to_minutes(&mut self, first: u64, end: u64, share: Bucket) {
        let mut second = first.max(end.saturating_sub(self.minutes.seconds()));
        while second < end {
            let next = (second / 60 * 60 + 60).min(end);
            if let Some(minute) = self.minutes.bucket(second) {
                let seconds = u8::try_from(next - second).unwrap_or(60);
                *minute = minute.plus(share.times(seconds.into()));
            }
            second = next;
        }
    }

    /// Drops the counts of a second and of all later ones.
    fn drop_from(&mut self, second: u64) {
        self.seconds.drop_from(second);
        self.minutes.drop_from(second);
        // The minute of the second keeps the seconds before it.
        let minute = second / 60 * 60;
        for (at, bucket) in self.seconds.iter().filter(|(at, _)| *at >= minute) {
            if let Some(sum) = self.minutes.bucket(at) {
                *sum = sum.then(bucket);
            }
        }
    }

    /// The buckets of a range, oldest first, each with its first second since the epoch.
    pub fn buckets(&self, range: Range) -> impl DoubleEndedIterator<Item = (u64, Bucket)> {
        match range {
            Range::Minutes15 => self.seconds.iter(),
            Range::Hours24 => self.minutes.iter(),
        }
    }

    /// The counts of the last `seconds` seconds before `now`, as a rate.
    #[must_use]
    pub fn rate(&self, now: u64, seconds: u64) -> Bucket {
        let recent = self.seconds.iter().filter(|(at, _)| *at <= now && *at + seconds > now);
        let sum = recent.fold(Bucket::default(), |sum, (_, bucket)| sum.then(bucket));
        sum.rate().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use ratelog_client::command::Counts;

    use super::{Range, Series};

    fn allowed(allowed: u64) -> Counts {
        let mut counts = Counts::default();
        counts.allowed = allowed;
        counts
    }

    #[test]
    fn counts_of_nodes_are_added_and_spread_over_missed_seconds() {
        let mut series = Series::default();
        series.add(1000, 1, allowed(10));
        series.add(1000, 1, allowed(5));
        series.add(1003, 3, allowed(30));
        let seconds: Vec<_> =
            series.buckets(Range::Minutes15).map(|(at, bucket)| (at, bucket.allowed)).collect();
        assert_eq!(seconds, [(1000, 15.0), (1001, 10.0), (1002, 10.0), (1003, 10.0)]);
        let minutes: Vec<_> = series
            .buckets(Range::Hours24)
            .map(|(at, bucket)| (at, bucket.seconds, bucket.allowed))
            .collect();
        assert_eq!(minutes, [(960, 4.0, 45.0)]);
        assert!((series.rate(1003, 2).allowed - 10.0).abs() < 1e-6);
        assert!((series.rate(1003, 100).allowed - 45.0 / 4.0).abs() < 1e-6);
        assert!(series.rate(2000, 10).allowed.abs() < 1e-6);
    }

    /// The checks of a range, and the seconds that they were counted in.
    fn sum(series: &Series, range: Range) -> (f32, f32) {
        let sum = series
            .buckets(range)
            .fold((0.0, 0.0), |sum, (_, bucket)| (sum.0 + bucket.allowed, sum.1 + bucket.seconds));
        (sum.0.round(), sum.1)
    }

    fn last_second(series: &Series, range: Range) -> u64 {
        series.buckets(range).next_back().unwrap().0
    }

    #[test]
    fn counting_goes_on_after_the_clock_steps_back_by_an_hour() {
        let mut series = Series::default();
        for now in 9_000..10_000 {
            series.add(now, 1, allowed(10));
        }
        for now in 6_000..6_010 {
            series.add(now, 1, allowed(20));
            series.add(now, 1, allowed(30));
            assert!((series.rate(now, 1).allowed - 50.0).abs() < 1e-3, "{now}");
        }
        assert_eq!(last_second(&series, Range::Minutes15), 6_009);
        assert_eq!(sum(&series, Range::Minutes15), (500.0, 10.0));
        assert_eq!(last_second(&series, Range::Hours24), 6_000);
        assert_eq!(sum(&series, Range::Hours24), (500.0, 10.0));
    }

    #[test]
    fn seconds_that_a_clock_repeats_are_counted_once() {
        let mut series = Series::default();
        for now in (6_000..6_600).chain(6_090..6_200) {
            series.add(now, 1, allowed(10));
        }
        assert_eq!(last_second(&series, Range::Minutes15), 6_199);
        assert_eq!(sum(&series, Range::Minutes15), (2_000.0, 200.0));
        assert_eq!(last_second(&series, Range::Hours24), 6_180);
        assert_eq!(sum(&series, Range::Hours24), (2_000.0, 200.0));
    }

    #[test]
    fn a_clock_that_is_a_second_behind_loses_no_counts() {
        let mut series = Series::default();
        for now in [6_000, 6_001, 6_002, 6_001, 6_003] {
            series.add(now, 1, allowed(10));
        }
        assert_eq!(sum(&series, Range::Minutes15), (50.0, 4.0));
    }

    #[test]
    fn counts_after_a_gap_are_spread_over_all_its_seconds() {
        let mut series = Series::default();
        series.add(60_000, 1, allowed(1_000));
        series.add(60_600, 600, allowed(600_000));
        assert!((series.rate(60_600, 5).allowed - 1_000.0).abs() < 1e-3);
        assert_eq!(sum(&series, Range::Minutes15), (601_000.0, 601.0));
        assert_eq!(sum(&series, Range::Hours24), (601_000.0, 601.0));
    }

    #[test]
    fn a_gap_fills_the_buckets_that_there_are() {
        let mut series = Series::default();
        let (now, hour) = (600_000, 3_600);
        series.add(now - hour - 30, 1, allowed(7));
        series.add(now, 3_600, allowed(36_000));
        // Another node was not lost.
        series.add(now, 1, allowed(5));
        assert_eq!(sum(&series, Range::Minutes15), (9_005.0, 900.0));
        assert_eq!(sum(&series, Range::Hours24), (36_012.0, 3_601.0));
        series.add(now + 10_000_000, 10_000_000, allowed(20_000_000));
        assert_eq!(sum(&series, Range::Minutes15), (1_800.0, 900.0));
        let minutes = series.buckets(Range::Hours24).count();
        assert_eq!(minutes, 1_440);
        let rates = series.buckets(Range::Hours24).filter_map(|(_, bucket)| bucket.rate());
        assert!(rates.into_iter().all(|rate| (rate.allowed - 2.0).abs() < 1e-3));
        let mut short = Series::of_seconds(8);
        short.add(now, 600, allowed(6_000));
        assert!((short.rate(now, 5).allowed - 10.0).abs() < 1e-3);
    }
}
