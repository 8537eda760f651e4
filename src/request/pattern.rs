use std::ops::Range;

use crate::error::Error;

/// A pattern of keys in the server's own syntax, as of `KEYS` and `SCAN`: `*`, `?`, `[abc]`, `[^a]`, `[a-z]`, and `\`
/// before a literal byte.
///
/// A pattern is a list of *elements*, each of which matches one byte, in *parts* between the `*`. The first part is
/// compared with the beginning of a name, the last with its end, and each other part is searched for between them. The
/// search follows all places where the part can begin at once, one bit for each (the algorithm Shift-And), so its time
/// depends on the length of the name, and hardly on what the name and the pattern contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The elements that each byte matches, 64 elements in each column.
    columns: Vec<Column>,
    /// The elements of each part. A pattern without `*` has one part. Only the first and the last can be empty.
    parts: Vec<Range<usize>>,
    /// The greatest number of columns of a part that is searched for.
    widest: usize,
}

/// For each byte, a bit for each of 64 elements that match it.
type Column = [u64; 256];

/// The number of elements in a column.
const BITS: usize = 64;

/// A set of bytes, with a bit for each.
#[derive(Clone, Copy)]
struct ByteSet([u64; 4]);

impl Pattern {
    /// The maximum length in bytes. It bounds the number of columns.
    const MAX_BYTES: usize = 1_024;
    /// The maximum number of columns of a pattern.
    const MAX_COLUMNS: usize = Self::MAX_BYTES / BITS;
    /// The maximum number of steps of a search. A step takes about a nanosecond.
    pub const MAX_STEPS: usize = 1 << 19;

    /// Parses a pattern. Every text that is not too long is one.
    ///
    /// # Errors
    /// [`Error::PatternTooLong`] for more than 1,024 bytes.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        if text.len() > Self::MAX_BYTES {
            return Err(Error::PatternTooLong { given: text.len(), max: Self::MAX_BYTES });
        }
        let mut pattern = Self { columns: Vec::new(), parts: Vec::new(), widest: 0 };
        let (mut rest, mut elements, mut start) = (text, 0, 0);
        loop {
            rest = match rest {
                [] => break,
                [b'*', after @ ..] => {
                    if start < elements || pattern.parts.is_empty() {
                        pattern.parts.push(start..elements);
                    }
                    start = elements;
                    after
                }
                _ => {
                    let (set, after) = parse_element(rest);
                    pattern.set_element(elements, set);
                    elements += 1;
                    after
                }
            };
        }
        pattern.parts.push(start..elements);
        let columns = |part: &Range<usize>| columns_of(part).len();
        pattern.widest = pattern.middle().iter().map(columns).max().unwrap_or(0);
        Ok(pattern)
    }

    fn set_element(&mut self, element: usize, set: ByteSet) {
        if element / BITS == self.columns.len() {
            self.columns.push([0; 256]);
        }
        if let Some(column) = self.columns.last_mut() {
            for byte in set.bytes() {
                if let Some(elements) = column.get_mut(byte) {
                    *elements |= 1 << (element % BITS);
                }
            }
        }
    }

    /// Returns the greatest number of steps that a search in `name` takes.
    pub fn steps(&self, name: &[u8]) -> usize {
        // Each search continues after the part before it, so the widest part counts.
        name.len().saturating_mul(self.widest)
    }

    /// Returns the parts that are not at the beginning or the end.
    fn middle(&self) -> &[Range<usize>] {
        match self.parts.as_slice() {
            [_, middle @ .., _] => middle,
            _ => &[],
        }
    }

    /// Returns whether the whole `name` matches. If a search would take more than [`Self::MAX_STEPS`], returns whether
    /// only the beginning and the end match.
    pub fn matches(&self, name: &[u8]) -> bool {
        let (Some(first), Some(last)) = (self.parts.first(), self.parts.last()) else {
            return false;
        };
        if self.parts.len() == 1 {
            return name.len() == first.len() && self.part_matches(first, name);
        }
        let Some((beginning, rest)) = name.split_at_checked(first.len()) else { return false };
        let end = rest.len().checked_sub(last.len());
        let Some((mut rest, end)) = end.and_then(|at| rest.split_at_checked(at)) else {
            return false;
        };
        if !self.part_matches(first, beginning) || !self.part_matches(last, end) {
            return false;
        }
        if self.steps(rest) > Self::MAX_STEPS {
            return true;
        }
        for part in self.middle() {
            match self.find(part, rest) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        true
    }

    /// Returns whether each byte matches the element of `part` at its place.
    fn part_matches(&self, part: &Range<usize>, bytes: &[u8]) -> bool {
        part.clone().zip(bytes).all(|(element, byte)| {
            let column = self.columns.get(element / BITS);
            column.is_some_and(|column| bits(column, *byte) >> (element % BITS) & 1 == 1)
        })
    }

    /// Finds the first place in `name` where `part` matches. Returns the name after it.
    fn find<'n>(&self, part: &Range<usize>, name: &'n [u8]) -> Option<&'n [u8]> {
        let columns = self.columns.get(columns_of(part))?;
        let (first, last) = (1 << (part.start % BITS), 1 << ((part.end - 1) % BITS));
        // A search within one column needs no carry. Most patterns have one.
        let end = if let [column] = columns {
            let mut places = 0;
            name.iter().position(|byte| {
                places = (places << 1 | first) & bits(column, *byte);
                places & last != 0
            })
        } else {
            let mut places = [0; Self::MAX_COLUMNS];
            name.iter().position(|byte| {
                let (mut carry, mut newest) = (first, 0);
                for (places, column) in places.iter_mut().zip(columns) {
                    let next = *places << 1 | carry;
                    carry = *places >> (BITS - 1);
                    *places = next & bits(column, *byte);
                    newest = *places;
                }
                newest & last != 0
            })
        };
        name.get(end? + 1..)
    }
}

/// Returns the columns that contain the elements of `part`.
fn columns_of(part: &Range<usize>) -> Range<usize> {
    if part.is_empty() { 0..0 } else { part.start / BITS..(part.end - 1) / BITS + 1 }
}

fn bits(column: &Column, byte: u8) -> u64 {
    column.get(usize::from(byte)).copied().unwrap_or_default()
}

impl ByteSet {
    const NONE: Self = Self([0; 4]);
    const ALL: Self = Self([u64::MAX; 4]);

    fn bytes(self) -> impl Iterator<Item = usize> {
        (0..).step_by(BITS).zip(self.0).flat_map(|(first, word)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let place = left.trailing_zeros() as usize;
                left &= left.checked_sub(1)?;
                Some(first + place)
            })
        })
    }

    fn insert(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte) / BITS) {
            *word |= 1 << (usize::from(byte) % BITS);
        }
    }

    fn negated(self) -> Self {
        Self(self.0.map(|word| !word))
    }
}

/// Returns the bytes that the first element of `pattern` matches, and the pattern after it. The pattern must not be
/// empty, and `*` is not an element.
fn parse_element(pattern: &[u8]) -> (ByteSet, &[u8]) {
    let mut set = ByteSet::NONE;
    match pattern {
        [] => (set, pattern),
        [b'?', after @ ..] => (ByteSet::ALL, after),
        [b'[', b'^', after @ ..] => {
            let (set, after) = parse_set(after);
            (set.negated(), after)
        }
        [b'[', after @ ..] => parse_set(after),
        [b'\\', literal, after @ ..] | [literal, after @ ..] => {
            set.insert(*literal);
            (set, after)
        }
    }
}

/// Returns a set of bytes, and the pattern after it. As in the server, a set without an end ends with the pattern.
fn parse_set(pattern: &[u8]) -> (ByteSet, &[u8]) {
    let (mut set, mut rest) = (ByteSet::NONE, pattern);
    loop {
        rest = match rest {
            [] => return (set, rest),
            [b']', after @ ..] => return (set, after),
            [b'\\', literal, after @ ..] => {
                set.insert(*literal);
                after
            }
            [low, b'-', high, after @ ..] => {
                (*low.min(high)..=*low.max(high)).for_each(|byte| set.insert(byte));
                after
            }
            [literal, after @ ..] => {
                set.insert(*literal);
                after
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Error, Pattern};

    fn pattern(text: &[u8]) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    /// Compares by trying the rest of the pattern at each byte of the name.
    fn naive_matches(pattern: &[u8], name: &[u8]) -> bool {
        let (mut pattern, mut rest) = (pattern, name);
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

    proptest! {
        #[test]
        fn a_comparison_agrees_with_the_naive_one(
            text in r"([abc]|\*|\?|\[\^?[a-c\-]{0,3}\]|\\[ab*]|\[){0,12}",
            filler in 0..140_usize,
            name in "[abc*-]{0,16}",
        ) {
            // The filler moves a part across the border of columns.
            let text = format!("*{}{text}", "[ab]".repeat(filler));
            let name = format!("c{}{name}", "a".repeat(filler));
            for text in [text.as_str(), &text[1..]] {
                prop_assert_eq!(
                    pattern(text.as_bytes()).matches(name.as_bytes()),
                    naive_matches(text.as_bytes(), name.as_bytes()),
                    "{} {}", text, name
                );
            }
        }
    }

    #[test]
    fn the_steps_of_a_search_depend_on_the_longest_part_between_stars() {
        let long = "a".repeat(70);
        for (text, columns) in [
            ("user:*", 0),
            ("*:42", 0),
            ("a*z", 0),
            ("**", 0),
            ("*b*", 1),
            ("*a*b*c*", 1),
            (&format!("{long}*"), 0),
            (&format!("*{long}*"), 2),
            (&format!("*{long}*{long}{long}*b*"), 3),
        ] {
            assert_eq!(pattern(text.as_bytes()).steps(&[b'a'; 10]), 10 * columns, "{text}");
        }
    }

    #[test]
    fn a_name_that_takes_too_long_to_search_is_compared_at_its_ends() {
        let name = vec![b'a'; Pattern::MAX_STEPS + 1];
        assert!(!pattern(b"*b*").matches(&name[1..]));
        assert!(pattern(b"*b*").matches(&name));
        assert!(!pattern(b"b*b*").matches(&name));
        assert!(!pattern(b"*b*b").matches(&name));
        // A comparison with a beginning or an end takes no search.
        assert!(pattern(b"a*a").matches(&name));
        assert!(!pattern(b"a*b").matches(&name));
        assert!(pattern(b"a*").matches(&name));
    }

    #[test]
    fn a_hostile_pattern_does_not_take_exponential_time() {
        let text = "*a".repeat(200) + "b";
        assert!(!pattern(text.as_bytes()).matches(&[b'a'; 5_000]));
    }

    #[test]
    fn the_length_of_a_pattern_is_bounded() {
        assert!(pattern(&[b'*'; 1_024]).matches(&[b'a'; 10]));
        assert!(pattern(&[b'?'; 1_024]).matches(&[b'a'; 1_024]));
        let long = Pattern::parse(&[b'*'; 1_025]);
        assert_eq!(long, Err(Error::PatternTooLong { given: 1_025, max: 1_024 }));
    }
}
