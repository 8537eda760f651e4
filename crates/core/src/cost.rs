use std::num::NonZeroU32;

use crate::Limit;

/// The number of units that one check uses. It is at least one, and at most the highest limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost(NonZeroU32);

impl Cost {
    /// The default cost.
    pub const ONE: Self = Self(NonZeroU32::MIN);

    /// Returns a cost of `units`, or `None` for zero.
    #[must_use]
    pub const fn new(units: u32) -> Option<Self> {
        match NonZeroU32::new(units) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// Parses a strict decimal. Returns `None` unless it is in `1..=max`.
    #[must_use]
    pub fn parse(text: &[u8], max: Limit) -> Option<Self> {
        Limit::parse(text, max).and_then(|limit| Self::new(limit.get()))
    }

    /// Returns the cost in units, as the narrowest integer.
    pub(crate) const fn get(self) -> u32 {
        self.0.get()
    }

    /// Returns the cost in units.
    #[must_use]
    pub const fn units(self) -> u64 {
        self.0.get() as u64
    }
}

impl From<Cost> for Limit {
    /// Returns the lowest limit that allows the cost.
    fn from(cost: Cost) -> Self {
        Self::new(cost.get())
    }
}

#[cfg(test)]
mod tests {
    use super::Cost;
    use crate::Limit;

    #[test]
    fn is_bounded_like_a_limit_and_not_zero() {
        assert_eq!(Cost::new(0), None);
        assert_eq!(Cost::parse(b"0", Limit::DEFAULT_MAX), None);
        assert_eq!(Cost::parse(b"1", Limit::DEFAULT_MAX), Some(Cost::ONE));
        assert_eq!(Cost::parse(b"1000001", Limit::DEFAULT_MAX), None);
        assert_eq!(Cost::new(7).map(Cost::units), Some(7));
        assert_eq!(Cost::new(7).map(Limit::from), Some(Limit::new(7)));
    }
}
