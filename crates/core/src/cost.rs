use crate::Limit;

/// How many units one check uses; at least one, and bounded like a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost(Limit);

impl Cost {
    /// The cost of a check that names none.
    pub const ONE: Self = Self(Limit::new(1).unwrap());

    /// A cost of `units`; `None` for zero.
    #[must_use]
    pub const fn new(units: u32) -> Option<Self> {
        match Limit::new(units) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// The cost that `text` writes as a strict decimal; `None` if it is none, or not in `1..=max`.
    #[must_use]
    pub fn parse(text: &[u8], max: Limit) -> Option<Self> {
        Limit::parse(text, max).map(Self)
    }

    /// The cost in units, in as few bits as it takes.
    pub(crate) const fn get(self) -> u32 {
        self.0.get()
    }

    /// The cost in units.
    #[must_use]
    pub const fn units(self) -> u64 {
        self.0.units()
    }
}

impl From<Cost> for Limit {
    /// The limit that the cost just keeps to.
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
