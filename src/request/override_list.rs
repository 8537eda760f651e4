use std::num::NonZeroU64;

use super::options::parse_options;
use super::{Pattern, parse_integer};
use crate::error::Error;

/// `[CURSOR cursor] [MATCH pattern] [COUNT n]`
#[derive(Debug, PartialEq, Eq)]
pub struct OverrideList {
    /// The number after which the page starts, or `None` for the first page.
    pub cursor: Option<NonZeroU64>,
    /// The pattern of the keys.
    pub pattern: Option<Pattern>,
    /// The maximum number of overrides to look at.
    pub count: usize,
}

/// The count of a page without `COUNT`.
const DEFAULT_COUNT: usize = 100;
/// The highest count of a page.
const MAX_COUNT: u64 = 1_000;

impl OverrideList {
    /// Parses the arguments.
    ///
    /// # Errors
    /// [`Error`] for a bad cursor or count, a pattern that is too long, and an unknown, repeated or incomplete option.
    pub fn parse<'a>(args: impl Iterator<Item = &'a [u8]>) -> Result<Self, Error> {
        let [cursor, pattern, count] = parse_options(args, ["CURSOR", "MATCH", "COUNT"])?;
        let cursor = match cursor {
            None => None,
            Some(text) => NonZeroU64::new(parse_integer("cursor", text, 0..=u64::MAX)?),
        };
        let count = match count {
            None => DEFAULT_COUNT,
            Some(text) => {
                let count = parse_integer("count", text, 1..=MAX_COUNT)?;
                usize::try_from(count).unwrap_or(DEFAULT_COUNT)
            }
        };
        Ok(Self { cursor, pattern: pattern.map(Pattern::parse).transpose()?, count })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Pattern, words};
    use super::{NonZeroU64, OverrideList};

    #[test]
    fn has_a_cursor_a_pattern_and_a_count() {
        let parse = |line| OverrideList::parse(words(line));
        let error = |line| parse(line).unwrap_err().to_string();
        let all = || OverrideList { cursor: None, pattern: None, count: 100 };
        assert_eq!(parse(""), Ok(all()));
        assert_eq!(parse("CURSOR 0"), Ok(all()));
        let part = OverrideList {
            cursor: NonZeroU64::new(u64::MAX),
            pattern: Pattern::parse(b"user:*").ok(),
            count: 1_000,
        };
        assert_eq!(parse("count 1000 match user:* cursor 18446744073709551615"), Ok(part));
        assert_eq!(error("COUNT 0"), "ERR count '0' is not an integer from 1 to 1000");
        assert_eq!(error("COUNT 1001"), "ERR count '1001' is not an integer from 1 to 1000");
        assert_eq!(
            error("CURSOR -1"),
            "ERR cursor '-1' is not an integer from 0 to 18446744073709551615"
        );
        assert_eq!(error("5"), "ERR unknown keyword '5'");
    }
}
