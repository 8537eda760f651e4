use crate::error::Error;

/// A pattern of keys in the server's own syntax, as of `KEYS` and `SCAN`: `*`, `?`, `[abc]`, `[^a]`, `[a-z]`, and `\`
/// before a literal byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern<'a>(&'a [u8]);

impl<'a> Pattern<'a> {
    /// The maximum length in bytes. It bounds the time of a comparison.
    const MAX_BYTES: usize = 1_024;

    /// Parses a pattern. Every text that is not too long is one.
    ///
    /// # Errors
    /// [`Error::PatternTooLong`] for more than 1,024 bytes.
    pub fn parse(text: &'a [u8]) -> Result<Self, Error> {
        match text.len() {
            given if given > Self::MAX_BYTES => {
                Err(Error::PatternTooLong { given, max: Self::MAX_BYTES })
            }
            _ => Ok(Self(text)),
        }
    }

    /// Returns the greatest number of steps that [`Self::matches`] takes, about. With a `*`, the rest of the pattern may
    /// be compared at each byte of the name.
    pub fn work(self, name: &[u8]) -> usize {
        name.len().saturating_mul(1 + self.0.len())
    }

    /// Returns whether the whole `name` matches, in time proportional to the product of both lengths at most.
    pub fn matches(self, name: &[u8]) -> bool {
        let (mut pattern, mut rest) = (self.0, name);
        // The pattern after the last `*`, and the name from where it was tried. If the rest does not match, it is tried
        // again one byte later.
        let mut retry: Option<(&[u8], &[u8])> = None;
        loop {
            if let [b'*', after @ ..] = pattern {
                pattern = after;
                retry = Some((pattern, rest));
                continue;
            }
            match (next_matches(pattern, rest), rest) {
                (Some((after, true)), [_, shorter @ ..]) => (pattern, rest) = (after, shorter),
                (None, []) => return true,
                _ => match retry {
                    Some((after, [_, shorter @ ..])) => {
                        retry = Some((after, shorter));
                        (pattern, rest) = (after, shorter);
                    }
                    _ => return false,
                },
            }
        }
    }
}

/// Returns the pattern after its first element, and whether the element matches the first byte of `name`. Returns `None`
/// if the pattern is empty. `*` is not an element.
fn next_matches<'a>(pattern: &'a [u8], name: &[u8]) -> Option<(&'a [u8], bool)> {
    let byte = name.first();
    match pattern {
        [] => None,
        [b'?', after @ ..] => Some((after, byte.is_some())),
        [b'[', set @ ..] => {
            let (after, found) = set_matches(set, byte.copied());
            Some((after, found && byte.is_some()))
        }
        [b'\\', literal, after @ ..] | [literal, after @ ..] => {
            Some((after, byte == Some(literal)))
        }
    }
}

/// Returns the pattern after a set of bytes, and whether `byte` is in the set. As in the server, a set without an end
/// ends with the pattern.
fn set_matches(set: &[u8], byte: Option<u8>) -> (&[u8], bool) {
    let (mut set, negated) = match set {
        [b'^', rest @ ..] => (rest, true),
        _ => (set, false),
    };
    let byte = byte.unwrap_or_default();
    let mut found = false;
    loop {
        (set, found) = match set {
            [] => return (set, found != negated),
            [b']', after @ ..] => return (after, found != negated),
            [b'\\', literal, after @ ..] => (after, found || *literal == byte),
            [low, b'-', high, after @ ..] => {
                let range = *low.min(high)..=*low.max(high);
                (after, found || range.contains(&byte))
            }
            [literal, after @ ..] => (after, found || *literal == byte),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Pattern};

    fn pattern(text: &[u8]) -> Pattern<'_> {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn patterns_match_as_in_the_server() {
        for (text, matching, other) in [
            ("", "", "a"),
            ("*", "", ""),
            ("*", "user:42", ""),
            ("user:*", "user:", "users:1"),
            ("*:42", "user:42", "user:421"),
            ("a*b*c", "a-b-b-c", "a-b-b"),
            ("h?llo", "hello", "hllo"),
            ("h[ae]llo", "hallo", "hillo"),
            ("h[^e]llo", "hallo", "hello"),
            ("h[a-c]llo", "hbllo", "hdllo"),
            ("h[c-a]llo", "hbllo", "hdllo"),
            ("h[a\\]]llo", "h]llo", "hbllo"),
            ("a\\*", "a*", "ab"),
            ("a\\", "a\\", "a"),
            ("[a", "a", "b"),
            ("[", "", "a"),
            ("{user}:*", "{user}:1", "user:1"),
            ("**a", "a", ""),
        ] {
            let pattern_matches = |name: &str| pattern(text.as_bytes()).matches(name.as_bytes());
            if !matching.is_empty() || text.is_empty() || text == "*" {
                assert!(pattern_matches(matching), "{text} {matching}");
            }
            if !other.is_empty() {
                assert!(!pattern_matches(other), "{text} {other}");
            }
        }
        assert!(!pattern(b"[^a]").matches(b""));
        assert!(!pattern(b"?").matches(b""));
    }

    #[test]
    fn a_hostile_pattern_does_not_take_exponential_time() {
        let text = "*a".repeat(200) + "b";
        assert!(!pattern(text.as_bytes()).matches(&[b'a'; 5_000]));
    }

    #[test]
    fn the_length_of_a_pattern_is_bounded() {
        assert_eq!(pattern(&[b'*'; 1_024]).work(&[b'a'; 10]), 10_250);
        let long = Pattern::parse(&[b'*'; 1_025]);
        assert_eq!(long, Err(Error::PatternTooLong { given: 1_025, max: 1_024 }));
    }
}
