//! Checks on a server without the module: one Lua script over sorted sets.
//!
//! Call it as `EVALSHA hash keys log [log ...] operation argument [argument ...]`; the script's first comment lists the
//! operations. A key's log is a sorted set, named by the key followed by [`SUFFIX`].

/// The text of the script.
pub const TEXT: &str = include_str!("ratelog.lua");

/// The text that follows a key's name in the name of its log.
pub const SUFFIX: &str = ":ratelog-log";

/// The key whose log is called `log`; `None` if no log has this name.
///
/// ```
/// use ratelog_client_core::script::key_of_log;
///
/// assert_eq!(key_of_log(b"user:42:ratelog-log"), Some(&b"user:42"[..]));
/// assert_eq!(key_of_log(b"user:42"), None);
/// ```
#[must_use]
pub fn key_of_log(log: &[u8]) -> Option<&[u8]> {
    log.strip_suffix(SUFFIX.as_bytes())
}

/// The name of a key's log.
///
/// ```
/// use ratelog_client_core::script::log_of_key;
///
/// assert_eq!(log_of_key(b"user:42"), b"user:42:ratelog-log");
/// ```
#[must_use]
pub fn log_of_key(key: &[u8]) -> Vec<u8> {
    [key, SUFFIX.as_bytes()].concat()
}
