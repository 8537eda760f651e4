use std::iter::FusedIterator;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// How long to wait before each of the probes that look for a server: twice as long each time, all with jitter, without
/// end.
///
/// ```
/// use ratelog_client_core::ProbeBackoff;
/// use std::time::Duration;
///
/// let (least, most) = (Duration::from_millis(100), Duration::from_secs(5));
/// let wait = ProbeBackoff::new(least, most).next();
/// assert!(wait.is_some_and(|wait| (least..=2 * least).contains(&wait)));
/// ```
#[derive(Debug)]
pub struct ProbeBackoff {
    waits: ExponentialBackoff,
    most: Duration,
}

impl ProbeBackoff {
    /// Backoff from `least` at first to `most`, before their jitter, which at most doubles them.
    #[must_use]
    pub fn new(least: Duration, most: Duration) -> Self {
        let waits = ExponentialBuilder::new()
            .with_min_delay(least)
            .with_max_delay(most)
            .without_max_times()
            .with_jitter()
            .build();
        Self { waits, most }
    }
}

impl Iterator for ProbeBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.waits.next().unwrap_or(self.most))
    }
}

impl FusedIterator for ProbeBackoff {}

#[cfg(test)]
mod tests {
    use super::{Duration, ProbeBackoff};

    #[test]
    fn a_server_is_looked_for_as_long_as_it_takes_and_never_too_often() {
        let (least, most) = (Duration::from_millis(100), Duration::from_secs(5));
        let waits: Vec<_> = ProbeBackoff::new(least, most).take(2_000).collect();
        assert_eq!(waits.len(), 2_000);
        assert!(waits.iter().all(|wait| (least..=2 * most).contains(wait)));
        assert!(waits[10..].iter().all(|wait| *wait >= most), "{:?}", &waits[..20]);
    }

    #[test]
    fn many_who_look_for_a_server_do_not_come_together() {
        let second = Duration::from_secs(1);
        let mut waits: Vec<_> =
            (0..20).filter_map(|_| ProbeBackoff::new(second, second).next()).collect();
        waits.sort_unstable();
        waits.dedup();
        assert!(waits.len() > 10, "{waits:?}");
    }
}
