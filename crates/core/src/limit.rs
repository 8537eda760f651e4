use std::num::NonZeroU32;

use crate::decimal;

/// The number of units that a rule allows in its window. A limit of zero denies every check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Limit(u32);

impl Limit {
    /// The default bound on limits: a million units.
    pub const DEFAULT_MAX: Self = Self(1_000_000);

    /// The highest limit that can be represented.
    pub const MAX: Self = Self(u32::MAX);

    /// Returns a limit of `units`.
    #[must_use]
    pub const fn new(units: u32) -> Self {
        Self(units)
    }

    /// Parses a strict decimal. Returns `None` unless it is in `0..=max`.
    #[must_use]
    pub fn parse(text: &[u8], max: Self) -> Option<Self> {
        u32::try_from(decimal::parse(text)?).ok().map(Self).filter(|limit| *limit <= max)
    }

    /// Returns one of `parts` equal parts, rounded down, but at least 1 unless the limit is zero.
    pub(crate) fn shared(self, parts: NonZeroU32) -> Self {
        Self((self.0 / parts).max(self.0.min(1)))
    }

    pub(crate) const fn get(self) -> u32 {
        self.0
    }

    /// Returns the limit in units.
    #[must_use]
    pub const fn units(self) -> u64 {
        self.0 as u64
    }
}

#[cfg(test)]
mod tests {
    use super::Limit;

    #[test]
    fn parses_within_its_bound() {
        let parse = |text: &str| Limit::parse(text.as_bytes(), Limit::DEFAULT_MAX);
        assert_eq!(parse("0"), Some(Limit::new(0)));
        assert_eq!(parse("1"), Some(Limit::new(1)));
        assert_eq!(parse("1000000"), Some(Limit::DEFAULT_MAX));
        for text in ["00", "01", "-0", "1000001", "4294967296", "4294967297", "-1", "1.5", ""] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(Limit::parse(b"4294967295", Limit::MAX), Some(Limit::MAX));
        assert_eq!(Limit::new(u32::MAX), Limit::MAX);
    }
}
