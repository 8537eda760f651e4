use std::fmt;
use std::num::NonZeroU64;

use crate::decimal;
use crate::unit::Unit;

/// A span of time in whole milliseconds, from one millisecond to ten years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window(NonZeroU64);

impl Window {
    /// The longest window that can be represented: ten years of 366 days.
    pub const MAX: Self = Self(NonZeroU64::new(3_660 * Unit::Day.millis()).unwrap());
    /// The default bound on windows: 366 days.
    pub const DEFAULT_MAX: Self = Self(NonZeroU64::new(366 * Unit::Day.millis()).unwrap());

    /// Returns a window of `millis` milliseconds, or `None` for zero and beyond [`Self::MAX`].
    #[must_use]
    pub const fn from_millis(millis: u64) -> Option<Self> {
        match NonZeroU64::new(millis) {
            Some(nonzero) if millis <= Self::MAX.millis() => Some(Self(nonzero)),
            _ => None,
        }
    }

    /// Parses a strict decimal with a unit of `ms`, `s`, `m`, `h`, `d` or `w`. Without a unit, the window is in
    /// seconds. Returns `None` for any other text, for zero, and beyond `max`.
    ///
    /// ```
    /// use ratelog_core::Window;
    /// let window = |text: &str| Window::parse(text.as_bytes(), Window::DEFAULT_MAX);
    /// assert_eq!(window("60"), window("1m"));
    /// assert_eq!(window("1500ms").unwrap().millis(), 1_500);
    /// assert_eq!(window("7d"), window("1w"));
    /// assert_eq!(window("1y"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &[u8], max: Self) -> Option<Self> {
        let (count, unit) = match text {
            [count @ .., b'm', b's'] => (count, Unit::Millisecond),
            [count @ .., b'm'] => (count, Unit::Minute),
            [count @ .., b'h'] => (count, Unit::Hour),
            [count @ .., b'd'] => (count, Unit::Day),
            [count @ .., b'w'] => (count, Unit::Week),
            [count @ .., b's'] | count => (count, Unit::Second),
        };
        Self::of(decimal::parse(count)?, unit).filter(|window| *window <= max)
    }

    /// Returns the window of `count` times `unit`, or `None` for zero and beyond [`Self::MAX`].
    pub(crate) fn of(count: u64, unit: Unit) -> Option<Self> {
        Self::from_millis(count.checked_mul(unit.millis())?)
    }

    /// Returns the window as a count of the longest unit that represents it exactly.
    pub(crate) fn in_units(self) -> (u64, Unit) {
        let unit = Unit::LONGEST_FIRST
            .into_iter()
            .find(|unit| self.millis().is_multiple_of(unit.millis()))
            .unwrap_or(Unit::Millisecond);
        (self.millis() / unit.millis(), unit)
    }

    /// Returns the window in milliseconds.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0.get()
    }

    /// Returns the window in milliseconds for arithmetic with instants. It is never negative.
    pub(crate) const fn span(self) -> i64 {
        self.millis().cast_signed()
    }
}

impl fmt::Display for Window {
    /// Formats the window in the longest unit that represents it exactly, in the format of [`Window::parse`]: `1m` for
    /// 60 seconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = self.in_units();
        write!(f, "{count}{}", unit.symbol())
    }
}

#[cfg(test)]
mod tests {
    use super::Window;

    fn millis(text: &str) -> Option<u64> {
        Window::parse(text.as_bytes(), Window::DEFAULT_MAX).map(Window::millis)
    }

    #[test]
    fn units_are_parsed() {
        assert_eq!(millis("5"), Some(5_000));
        assert_eq!(millis("5ms"), Some(5));
        assert_eq!(millis("5s"), Some(5_000));
        assert_eq!(millis("5m"), Some(300_000));
        assert_eq!(millis("5h"), Some(18_000_000));
        assert_eq!(millis("5d"), Some(432_000_000));
        assert_eq!(millis("5w"), Some(35 * 86_400_000));
        assert_eq!(millis("366d"), Some(366 * 86_400_000));
        assert_eq!(millis("31622400"), Some(366 * 86_400_000));
    }

    #[test]
    fn windows_round_trip() {
        for text in
            ["1ms", "1500ms", "90s", "1m", "90m", "1h", "25h", "6d", "1w", "8d", "2w", "366d"]
        {
            assert_eq!(Window::parse(text.as_bytes(), Window::MAX).unwrap().to_string(), text);
        }
        for (millis, text) in [(3_600_000, "1h"), (7 * 86_400_000, "1w"), (28 * 86_400_000, "4w")] {
            assert_eq!(Window::from_millis(millis).unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_rejected() {
        for text in [
            "",
            "0",
            "0ms",
            "s",
            "ms",
            "5S",
            "5x",
            "5 s",
            "5sm",
            "w",
            "5W",
            "0w",
            "53w",
            "5ws",
            "-5",
            "+5",
            "05",
            "1.5s",
            "367d",
            "31622401",
            "18446744073709551615d",
            "18446744073709551615w",
            "18446744073709551616",
        ] {
            assert_eq!(millis(text), None, "{text:?}");
        }
        assert_eq!(Window::parse(b"10m\xff", Window::MAX), None);
        assert_eq!(Window::from_millis(0), None);
        assert_eq!(Window::from_millis(Window::MAX.millis() + 1), None);
    }
}
