//! Numbers with their nouns.

/// Writes a number with the words for one thing, or with those for several.
#[must_use]
pub fn counted(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}
