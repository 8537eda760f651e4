use crate::Limit;

/// The number of units that one check uses. It is at least one, and bounded like a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost(Limit);

impl Cost {
    /// The default cost.
    pub const ONE: Self = Self(Limit::new(1).unwrap());

    /// Returns a cost of `units`, or `None` for zero.
    #[must_use]
    pub const fn new(units: u32) -> Option<Self> {
        match Limit::new(units) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// Parses a strict decimal. Returns `None` unless it is in `1..=max`.
    #[must_use]
    pub fn parse(text: &[u8], max: Limit) -> Option<Self> {
        Limit::parse(text, max).map(Self)
    }

    /// Returns the cost in units, as the narrowest integer.
    pub(crate) const fn get(self) -> u32 {
        self.0.get()
    }

    /// Returns the cost in units.
    #[must_use]
    pub const fn units(self) -> u64 {
        self.0.units()
    }
}

impl From<Cost> for Limit {
    /// Returns the lowest limit that allows the cost.
    fn from(cost: Cost) -> Self {
        cost.0
    }
}

#[cfg(test)]
mod tests {
    use super::Cost;
    use crate::Limit;

    #[test]
    fn is_bounded_like_a_limit() {
        assert_eq!(Cost::new(0), None);
        assert_eq!(Cost::parse(b"1", Limit::DEFAULT_MAX), Some(Cost::ONE));
        assert_eq!(Cost::parse(b"1000001", Limit::DEFAULT_MAX), None);
        assert_eq!(Cost::new(7).map(Cost::units), Some(7));
        assert_eq!(Cost::new(7).map(Limit::from), Limit::new(7));
    }
}
