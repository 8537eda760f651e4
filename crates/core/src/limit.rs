use std::num::NonZeroU32;

use crate::decimal;

/// The number of units that a rule allows in its window. It is at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Limit(NonZeroU32);

impl Limit {
    /// The default bound on limits: a million units.
    pub const DEFAULT_MAX: Self = Self(NonZeroU32::new(1_000_000).unwrap());

    /// The highest limit that can be represented.
    pub const MAX: Self = Self(NonZeroU32::MAX);

    /// Returns a limit of `units`, or `None` for zero.
    #[must_use]
    pub const fn new(units: u32) -> Option<Self> {
        match NonZeroU32::new(units) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// Parses a strict decimal. Returns `None` unless it is in `1..=max`.
    #[must_use]
    pub fn parse(text: &[u8], max: Self) -> Option<Self> {
        let units = u32::try_from(decimal::parse(text)?).ok()?;
        Self::new(units).filter(|limit| *limit <= max)
    }

    /// Returns one of `parts` equal parts, rounded down, but at least 1.
    pub(crate) fn shared(self, parts: NonZeroU32) -> Self {
        Self(NonZeroU32::new(self.0.get() / parts).unwrap_or(NonZeroU32::MIN))
    }

    pub(crate) const fn get(self) -> u32 {
        self.0.get()
    }

    /// Returns the limit in units.
    #[must_use]
    pub const fn units(self) -> u64 {
        self.0.get() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::Limit;

    #[test]
    fn parses_within_its_bound() {
        let parse = |text: &str| Limit::parse(text.as_bytes(), Limit::DEFAULT_MAX);
        assert_eq!(parse("1"), Limit::new(1));
        assert_eq!(parse("1000000"), Some(Limit::DEFAULT_MAX));
        for text in ["0", "1000001", "4294967296", "4294967297", "-1", "1.5", ""] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(Limit::parse(b"4294967295", Limit::MAX), Some(Limit::MAX));
        assert_eq!(Limit::new(u32::MAX), Some(Limit::MAX));
    }
}
