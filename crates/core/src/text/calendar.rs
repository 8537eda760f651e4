use crate::Window;
use crate::unit::Unit;

/// A unit of the calendar, whose length varies. No window has one; an error shows the window to use instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CalendarUnit {
    Month,
    Year,
}

impl CalendarUnit {
    /// Returns the words for a unit, the name first. Each word has a plural in `s`.
    const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Month => &["month", "mo"],
            Self::Year => &["year", "yr", "y"],
        }
    }

    pub(super) fn name(self) -> &'static str {
        self.words().first().copied().unwrap_or_default()
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let singular = word.strip_suffix('s').unwrap_or(&word);
        [Self::Month, Self::Year].into_iter().find(|unit| unit.words().contains(&singular))
    }

    /// Returns the days that stand in for `count` units, or `None` if there is no such window.
    pub(super) fn days(self, count: u64) -> Option<u64> {
        let days = match self {
            Self::Month => count.checked_mul(30)?,
            Self::Year => count.checked_mul(365)?,
        };
        Window::of(days, Unit::Day).map(|_| days)
    }
}
