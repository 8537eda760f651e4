use crate::unit::Unit;

/// The words for a unit, the one that is written first; each has a plural with an `s`.
const fn words(unit: Unit) -> &'static [&'static str] {
    match unit {
        Unit::Day => &["day"],
        Unit::Hour => &["hour"],
        Unit::Minute => &["minute", "min"],
        Unit::Second => &["second", "sec"],
        Unit::Millisecond => &["millisecond"],
    }
}

impl Unit {
    /// The unit in words.
    pub(super) fn name(self) -> &'static str {
        words(self).first().copied().unwrap_or(self.symbol())
    }

    /// The unit that `word` is a word or the symbol for.
    pub(super) fn named(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let singular = word.strip_suffix('s').unwrap_or(&word);
        Self::LONGEST_FIRST.into_iter().find(|unit| {
            unit.symbol() == word
                || words(*unit).iter().any(|name| [&word, singular].contains(name))
        })
    }
}
