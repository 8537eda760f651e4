//! The checks of a server without the module: one Lua script over sorted sets.
//!
//! `EVALSHA hash keys log [log ...] operation argument [argument ...]`; its text says which operations there are. The
//! log of a key is a sorted set under the key's name and [`SUFFIX`].

/// The script.
pub const TEXT: &str = include_str!("ratelog.lua");

/// What stands behind a key's name in that of its log.
pub const SUFFIX: &str = ":ratelog-log";

/// The key whose log has this name; `None` if it is no log's.
///
/// ```
/// use ratelog_client_core::script::subject;
///
/// assert_eq!(subject(b"user:42:ratelog-log"), Some(&b"user:42"[..]));
/// assert_eq!(subject(b"user:42"), None);
/// ```
#[must_use]
pub fn subject(log: &[u8]) -> Option<&[u8]> {
    log.strip_suffix(SUFFIX.as_bytes())
}
