/// A time in whole milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(i64);

impl Instant {
    /// The latest instant: 2^48 - 1 milliseconds, in the year 10889.
    pub const MAX: Self = Self((1 << 48) - 1);

    /// Returns the instant `millis` milliseconds after the Unix epoch, or `None` before it or after [`Self::MAX`].
    #[must_use]
    pub const fn from_unix_millis(millis: i64) -> Option<Self> {
        if millis < 0 || millis > Self::MAX.0 { None } else { Some(Self(millis)) }
    }

    /// Returns the instant of a clock reading, clamped to the valid range.
    #[must_use]
    pub fn from_clock(millis: i64) -> Self {
        Self(millis.clamp(0, Self::MAX.0))
    }

    /// Returns the milliseconds since the Unix epoch.
    #[must_use]
    pub const fn unix_millis(self) -> i64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Instant;

    #[test]
    fn the_range_is_enforced() {
        assert_eq!(Instant::from_unix_millis(-1), None);
        assert_eq!(Instant::from_unix_millis(1 << 48), None);
        assert_eq!(Instant::from_unix_millis((1 << 48) - 1), Some(Instant::MAX));
        assert_eq!(Instant::from_clock(-5).unix_millis(), 0);
        assert_eq!(Instant::from_clock(i64::MAX), Instant::MAX);
        assert_eq!(Instant::from_clock(7).unix_millis(), 7);
    }
}
