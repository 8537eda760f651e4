//! An override as text, for values that are saved and effects that are passed on:
//! `ALLOW|DENY|LIMIT end [limit window ...]`, where `end` is an instant in milliseconds, or -1 for none.
//! No override is no text.

use std::fmt::Write;

use ratelog_core::{Action, Instant, Override};

use crate::error::Error;
use crate::request::{self, Bounds};

const NO_END: &[u8] = b"-1";

/// The text of an override, or of none.
pub fn write(put: Option<&Override>) -> String {
    let Some(Override { action, until }) = put else {
        return String::new();
    };
    let end = until.map_or(-1, Instant::unix_millis);
    match action {
        Action::Allow => format!("ALLOW {end}"),
        Action::Deny => format!("DENY {end}"),
        Action::Limit(rules) => rules.iter().fold(format!("LIMIT {end}"), |mut text, rule| {
            let (limit, window) = (rule.limit().units(), rule.window().millis());
            // Writing to a string does not fail.
            let _ = write!(text, " {limit} {window}ms");
            text
        }),
    }
}

/// The override that `text` tells.
///
/// # Errors
/// [`Error`] for a text that [`write()`] does not give.
pub fn read(text: &[u8]) -> Result<Option<Override>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let mut words = text.split(|&byte| byte == b' ');
    let action = words.next().unwrap_or_default();
    let until = match words.next() {
        None => return Err(Error::UnknownKeyword(text.into())),
        Some(NO_END) => None,
        Some(end) => Some(request::parse_instant(end)?),
    };
    let action = match action {
        b"ALLOW" => Action::Allow,
        b"DENY" => Action::Deny,
        b"LIMIT" => Action::Limit(request::parse_rules(words.by_ref(), &Bounds::WIDEST)?),
        other => return Err(Error::UnknownKeyword(other.into())),
    };
    let put = Override { action, until };
    match words.next() {
        Some(more) => Err(Error::Unexpected(more.into())),
        // A second spelling would be a second value.
        None if write(Some(&put)).as_bytes() == text => Ok(Some(put)),
        None => Err(Error::UnknownKeyword(text.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::{read, write};

    #[test]
    fn every_override_survives() {
        for text in ["", "ALLOW -1", "DENY 1700000000000", "LIMIT -1 10 1000ms 100 60000ms"] {
            let put = read(text.as_bytes()).unwrap();
            assert_eq!(put.is_none(), text.is_empty());
            assert_eq!(write(put.as_ref()), text);
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            " ",
            "ALLOW",
            "allow -1",
            "ALLOW -2",
            "ALLOW 01",
            "ALLOW -1 ",
            "ALLOW -1 10 1000ms",
            "LIMIT -1",
            "LIMIT -1 10",
            "LIMIT -1 10 1s",
            "LIMIT -1 0 1000ms",
            "LIMIT -1  10 1000ms",
            "PASS -1",
            "ALLOW 281474976710656",
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text:?}");
        }
        let seventeen = format!("LIMIT -1{}", " 1 1000ms".repeat(17));
        assert!(read(seventeen.as_bytes()).is_err());
    }
}
