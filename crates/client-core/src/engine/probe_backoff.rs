use std::iter::FusedIterator;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// The waits between probes of an unavailable server: each twice as long as the one before, jittered, without end.
///
/// The jitter at most doubles a wait, so no wait is longer than twice the maximum interval.
///
/// ```
/// use ratelog_client_core::engine::ProbeBackoff;
/// use std::time::Duration;
///
/// let (min, max) = (Duration::from_millis(100), Duration::from_secs(5));
/// let wait = ProbeBackoff::new(min, max).next();
/// assert!(wait.is_some_and(|wait| (min..=2 * min).contains(&wait)));
/// ```
#[derive(Debug)]
pub struct ProbeBackoff {
    waits: ExponentialBackoff,
    max_interval: Duration,
}

impl ProbeBackoff {
    /// Waits that grow from `min_interval` to `max_interval`, before jitter.
    #[must_use]
    pub fn new(min_interval: Duration, max_interval: Duration) -> Self {
        let waits = ExponentialBuilder::new()
            .with_min_delay(min_interval)
            .with_max_delay(max_interval)
            .without_max_times()
            .with_jitter()
            .build();
        Self { waits, max_interval }
    }
}

impl Iterator for ProbeBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.waits.next().unwrap_or(self.max_interval))
    }
}

impl FusedIterator for ProbeBackoff {}

#[cfg(test)]
mod tests {
    use super::{Duration, ProbeBackoff};

    #[test]
    fn probes_never_end_and_never_come_too_often() {
        let (min, max) = (Duration::from_millis(100), Duration::from_secs(5));
        let waits: Vec<_> = ProbeBackoff::new(min, max).take(2_000).collect();
        assert_eq!(waits.len(), 2_000);
        assert!(waits.iter().all(|wait| (min..=2 * max).contains(wait)));
        assert!(waits[10..].iter().all(|wait| *wait >= max), "{:?}", &waits[..20]);
    }

    #[test]
    fn clients_do_not_probe_at_the_same_moment() {
        let second = Duration::from_secs(1);
        let mut waits: Vec<_> =
            (0..20).filter_map(|_| ProbeBackoff::new(second, second).next()).collect();
        waits.sort_unstable();
        waits.dedup();
        assert!(waits.len() > 10, "{waits:?}");
    }
}
