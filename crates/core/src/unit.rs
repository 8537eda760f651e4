/// A unit of time for windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
}

impl Unit {
    pub(crate) const LONGEST_FIRST: [Self; 6] =
        [Self::Week, Self::Day, Self::Hour, Self::Minute, Self::Second, Self::Millisecond];

    pub(crate) const fn millis(self) -> u64 {
        match self {
            Self::Week => 7 * Self::Day.millis(),
            Self::Day => 24 * Self::Hour.millis(),
            Self::Hour => 60 * Self::Minute.millis(),
            Self::Minute => 60 * Self::Second.millis(),
            Self::Second => 1_000,
            Self::Millisecond => 1,
        }
    }

    pub(crate) const fn symbol(self) -> &'static str {
        match self {
            Self::Week => "w",
            Self::Day => "d",
            Self::Hour => "h",
            Self::Minute => "m",
            Self::Second => "s",
            Self::Millisecond => "ms",
        }
    }
}
