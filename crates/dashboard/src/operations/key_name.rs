//! Keys in URLs and on pages. A key may be any bytes.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// The bytes of a key that stand for themselves in a URL.
const UNENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b':');

/// The most bytes of a key that a page shows.
const SHOWN_BYTES: usize = 200;

/// Writes a key for a URL.
#[must_use]
pub fn encode(key: &[u8]) -> String {
    // A browser resolves segments of dots.
    if matches!(key, b"." | b"..") {
        return "%2E".repeat(key.len());
    }
    percent_encode(key, &UNENCODED).to_string()
}

/// Reads a key from a URL. An invalid escape stands for itself.
#[must_use]
pub fn decode(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}

/// Writes a key for a page: control characters, marks of direction, invisible characters and bytes that are not UTF-8 are
/// escaped, and a long key is cut.
#[must_use]
pub fn show(key: &[u8]) -> String {
    let (shown, rest) = key.split_at(key.len().min(SHOWN_BYTES));
    let mut text = String::with_capacity(shown.len());
    for chunk in shown.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_hidden(c) {
                text.extend(c.escape_unicode());
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    if !rest.is_empty() {
        let _ = write!(text, "… ({} bytes)", key.len());
    }
    text
}

/// Whether a character changes how a page shows others, or shows nothing itself.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::{decode, encode, show};

    #[test]
    fn every_byte_survives_a_url() {
        let all: Vec<u8> = (0..=255).collect();
        for key in [&b"user:42"[..], b"a/b?c#d%e", b"<script>", b"", b".", b"..", &all] {
            assert_eq!(decode(&encode(key)), key);
        }
        assert_eq!(encode(b"user:42"), "user:42");
        assert_eq!(encode(b"a/b"), "a%2Fb");
        assert_eq!(encode(b".."), "%2E%2E");
    }

    #[test]
    fn hidden_characters_are_shown() {
        assert_eq!(show("user:42".as_bytes()), "user:42");
        assert_eq!(show("a\nb\u{202e}c\u{0}".as_bytes()), "a\\u{a}b\\u{202e}c\\u{0}");
        assert_eq!(show(b"a\xffb"), "a\\xffb");
        assert_eq!(show("größe".as_bytes()), "größe");
        let long = show(&[b'x'; 1000]);
        assert!(long.ends_with("x… (1000 bytes)"), "{long}");
    }
}
