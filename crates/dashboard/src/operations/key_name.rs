//! Keys in URLs and on pages. A key may be any bytes.
//!
//! A key is one segment of a path, percent-encoded. Where that does not work, the segment is a reference, which begins with
//! a `@` as no encoded key does: `@hex:` and the bytes of a key that a browser takes for another path, or `@sha256:` and the
//! digest of a long key.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use super::failure::Failure;
use super::long_keys;

/// The bytes of a key that stand for themselves in a URL.
const UNENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b':');

/// The longest key in a URL, encoded. Proxies take some eight thousand bytes.
const MAX_ENCODED: usize = 4_096;

const HEX: &str = "@hex:";
const SHA256: &str = "@sha256:";

/// The most bytes of a key that a page shows.
const SHOWN_BYTES: usize = 200;

/// The longest name of a key in the reply of `RL.TOP` that is not shortened.
const MAX_TOP_NAME: usize = 256;

/// Writes a key for a URL.
#[must_use]
pub fn encode(key: &[u8]) -> String {
    // A browser resolves segments of dots, encoded ones too, and an empty segment is another path.
    if matches!(key, b"" | b"." | b"..") {
        return format!("{HEX}{}", hex(key));
    }
    if key.len() <= MAX_ENCODED {
        let text = percent_encoded(key);
        if text.len() <= MAX_ENCODED {
            return text;
        }
    }
    format!("{SHA256}{}", hex(&long_keys::remember(key)))
}

/// Writes all bytes of a key, however long it is.
#[must_use]
pub fn percent_encoded(key: &[u8]) -> String {
    percent_encode(key, &UNENCODED).to_string()
}

/// Reads a key from a URL. An invalid escape stands for itself.
///
/// # Errors
/// [`Failure::NotFound`] for a long key that is not remembered.
pub fn decode(text: &str) -> Result<Vec<u8>, Failure> {
    if let Some(key) = text.strip_prefix(HEX).and_then(bytes) {
        return Ok(key);
    }
    let digest = text.strip_prefix(SHA256).and_then(bytes);
    if let Some(digest) = digest.and_then(|digest| <[u8; 32]>::try_from(digest).ok()) {
        let key = long_keys::find(&digest).map(|key| key.to_vec());
        return key.ok_or_else(|| {
            Failure::NotFound(format!(
                "the dashboard does not remember the long key {text}: search for its prefix, and open it in the list"
            ))
        });
    }
    Ok(percent_decode_str(text).collect())
}

/// Hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.bytes().map(|byte| char::from(byte).to_digit(16));
    let digits =
        digits.collect::<Option<Vec<_>>>().filter(|digits| digits.len().is_multiple_of(2))?;
    digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |sum, digit| sum * 16 + digit))
        .map(|byte| u8::try_from(byte).ok())
        .collect()
}

/// Whether this is a name that `RL.TOP` has shortened, and so not a key.
#[must_use]
pub const fn is_shortened(name: &[u8]) -> bool {
    name.len() > MAX_TOP_NAME
}

/// Writes a key for a page: control characters, marks of direction, invisible characters, spaces that a browser would drop
/// and bytes that are not UTF-8 are escaped, and a long key is cut.
#[must_use]
pub fn show(key: &[u8]) -> String {
    let (shown, rest) = key.split_at(key.len().min(SHOWN_BYTES));
    let mut text = show_whole(shown);
    if !rest.is_empty() {
        let _ = write!(text, "… ({} bytes)", key.len());
    }
    text
}

/// Writes a name for a page, as [`show`] does, but does not cut it.
#[must_use]
pub fn show_whole(name: &[u8]) -> String {
    if name.is_empty() {
        return "(empty)".to_owned();
    }
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            let is_dropped = c == ' ' && (text.is_empty() || text.ends_with(' '));
            if is_hidden(c) || is_dropped {
                text.extend(c.escape_unicode());
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    if text.ends_with(' ') {
        text.pop();
        text.extend(' '.escape_unicode());
    }
    text
}

/// Whether a character changes how a page shows others, or shows nothing itself.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::{MAX_ENCODED, decode, encode, show};
    use crate::operations::failure::Failure;

    #[test]
    fn every_byte_survives_a_url() {
        let all: Vec<u8> = (0..=255).collect();
        let long = vec![b'/'; 512 * 1024];
        for key in [&b"user:42"[..], b"a/b?c#d%e", b"<script>", b"", b".", b"..", &all, &long] {
            let text = encode(key);
            assert_eq!(decode(&text).unwrap(), key);
            assert!(text.len() <= MAX_ENCODED && !text.contains(['/', '?', '#']), "{text}");
        }
        assert_eq!(encode(b"user:42"), "user:42");
        assert_eq!(encode(b"a/b"), "a%2Fb");
        assert_eq!([encode(b""), encode(b"."), encode(b"..")], ["@hex:", "@hex:2e", "@hex:2e2e"]);
    }

    #[test]
    fn references_are_no_keys() {
        let unknown = format!("@sha256:{}", "0".repeat(64));
        assert!(
            matches!(decode(&unknown), Err(Failure::NotFound(text)) if text.contains(&unknown))
        );
        for key in ["@ada", "@hex:0", "@hex:xx", "@hex:+1", "@sha256:", "@sha256:00", "@hex:é"] {
            assert_eq!(decode(key).unwrap(), key.as_bytes());
            assert_eq!(decode(&encode(key.as_bytes())).unwrap(), key.as_bytes());
        }
        for key in [&unknown[..], "@hex:2e"] {
            assert_eq!(decode(&encode(key.as_bytes())).unwrap(), key.as_bytes());
        }
    }

    #[test]
    fn hidden_characters_are_shown() {
        assert_eq!(show("user:42".as_bytes()), "user:42");
        assert_eq!(show("a\nb\u{202e}c\u{0}".as_bytes()), "a\\u{a}b\\u{202e}c\\u{0}");
        assert_eq!(show(b"a\xffb"), "a\\xffb");
        assert_eq!(show("größe".as_bytes()), "größe");
        assert_eq!(show(" a  b c\u{a0} ".as_bytes()), "\\u{20}a \\u{20}b c\\u{a0}\\u{20}");
        assert_eq!(show(b" "), "\\u{20}");
        let long = show(&[b'x'; 1000]);
        assert!(long.ends_with("x… (1000 bytes)"), "{long}");
        assert_eq!(show(b""), "(empty)");
    }
}
