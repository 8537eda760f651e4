use crate::unit::Unit;

/// Returns the words for a unit, the canonical word first. Each word has a plural in `s`.
const fn words(unit: Unit) -> &'static [&'static str] {
    match unit {
        Unit::Week => &["week"],
        Unit::Day => &["day"],
        Unit::Hour => &["hour"],
        Unit::Minute => &["minute", "min"],
        Unit::Second => &["second", "sec"],
        Unit::Millisecond => &["millisecond"],
    }
}

impl Unit {
    /// Returns the canonical word.
    pub(super) fn name(self) -> &'static str {
        words(self).first().copied().unwrap_or(self.symbol())
    }

    /// Finds a unit by its word or symbol.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let singular = word.strip_suffix('s').unwrap_or(&word);
        Self::LONGEST_FIRST.into_iter().find(|unit| {
            unit.symbol() == word
                || words(*unit).iter().any(|name| [&word, singular].contains(name))
        })
    }
}
