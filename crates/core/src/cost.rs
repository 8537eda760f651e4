use std::fmt;
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

/// The error of a number that is no cost: 0, negative, or too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CostOutOfRange(());

impl fmt::Display for CostOutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a cost is a whole number from 1 to {}", u32::MAX)
    }
}

impl std::error::Error for CostOutOfRange {}

macro_rules! try_from {
    ($($integer:ty),*) => {$(
        impl TryFrom<$integer> for Cost {
            type Error = CostOutOfRange;

            /// Returns a cost of `units`.
            fn try_from(units: $integer) -> Result<Self, CostOutOfRange> {
                let units = u32::try_from(units).map_err(|_| CostOutOfRange(()))?;
                Self::new(units).ok_or(CostOutOfRange(()))
            }
        }
    )*};
}

try_from!(u32, u64, usize, i32, i64);

impl From<NonZeroU32> for Cost {
    fn from(units: NonZeroU32) -> Self {
        Self(units)
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
    use super::{Cost, NonZeroU32};
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

    #[test]
    fn integers_are_converted_if_they_are_costs() {
        assert_eq!(Cost::try_from(7_u32).ok(), Cost::new(7));
        assert_eq!(Cost::from(NonZeroU32::MIN), Cost::ONE);
        assert_eq!(Cost::try_from(7_usize).ok(), Cost::new(7));
        assert_eq!(Cost::try_from(i64::from(u32::MAX)).ok(), Cost::new(u32::MAX));
        let error = Cost::try_from(0_u64).unwrap_err();
        assert_eq!(error.to_string(), "a cost is a whole number from 1 to 4294967295");
        for result in [Cost::try_from(-1), Cost::try_from(i32::MIN)] {
            assert_eq!(result, Err(error));
        }
        assert_eq!(Cost::try_from(1_u64 << 32), Err(error));
    }
}
