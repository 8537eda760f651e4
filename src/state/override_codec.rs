//! Overrides as text, for saved values and replicated effects: `ALLOW|DENY|LIMIT end [limit window ...]`. `end` is in
//! milliseconds since the Unix epoch, or -1 if the override does not end. `None` is the empty text.

use std::fmt::Write;

use ratelog_core::{Action, Instant, Override};

use crate::error::Error;
use crate::request::{self, Bounds};

const NO_END: &[u8] = b"-1";

/// Encodes an override. `None` becomes the empty text.
pub fn encode(key_override: Option<&Override>) -> String {
    let Some(Override { action, until }) = key_override else {
        return String::new();
    };
    let end = until.map_or(-1, Instant::unix_millis);
    match action {
        Action::Allow => format!("ALLOW {end}"),
        Action::Deny => format!("DENY {end}"),
        Action::Limit(rules) => rules.iter().fold(format!("LIMIT {end}"), |mut text, rule| {
            let (limit, window) = (rule.limit().units(), rule.window().millis());
            // Writing to a string cannot fail.
            let _ = write!(text, " {limit} {window}ms");
            text
        }),
    }
}

/// Decodes an override.
///
/// # Errors
/// [`Error`] for a text that [`encode`] does not produce.
pub fn decode(text: &[u8]) -> Result<Option<Override>, Error> {
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
    let key_override = Override { action, until };
    match words.next() {
        Some(more) => Err(Error::Unexpected(more.into())),
        // A second spelling of the same override would be a different value.
        None if encode(Some(&key_override)).as_bytes() == text => Ok(Some(key_override)),
        None => Err(Error::UnknownKeyword(text.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn every_override_round_trips() {
        for text in ["", "ALLOW -1", "DENY 1700000000000", "LIMIT -1 10 1000ms 0 60000ms"] {
            let key_override = decode(text.as_bytes()).unwrap();
            assert_eq!(key_override.is_none(), text.is_empty());
            assert_eq!(encode(key_override.as_ref()), text);
        }
    }

    #[test]
    fn other_texts_are_rejected() {
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
            "LIMIT -1 00 1000ms",
            "LIMIT -1  10 1000ms",
            "PASS -1",
            "ALLOW 281474976710656",
        ] {
            assert!(decode(text.as_bytes()).is_err(), "{text:?}");
        }
        let seventeen = format!("LIMIT -1{}", " 1 1000ms".repeat(17));
        assert!(decode(seventeen.as_bytes()).is_err());
    }
}
