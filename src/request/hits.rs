use std::ops::Bound;

use ratelog_core::Instant;

use super::options::parse_options;
use super::{parse_instant, parse_integer};
use crate::error::Error;

/// `[COUNT n] [BEFORE ms] [AFTER ms]`
#[derive(Debug, PartialEq, Eq)]
pub struct Hits {
    /// The instants after and before which the hits are.
    pub range: (Bound<Instant>, Bound<Instant>),
    /// The maximum number of hits.
    pub count: usize,
}

/// The count without `COUNT`.
const DEFAULT_COUNT: usize = 1_000;
/// The highest count.
const MAX_COUNT: u64 = 10_000;

impl Hits {
    /// Parses the arguments after the key.
    ///
    /// # Errors
    /// [`Error`] for a bad count or instant, and an unknown, repeated or incomplete option.
    pub fn parse<'a>(args: impl Iterator<Item = &'a [u8]>) -> Result<Self, Error> {
        let [count, before, after] = parse_options(args, ["COUNT", "BEFORE", "AFTER"])?;
        let count = match count {
            None => DEFAULT_COUNT,
            Some(text) => {
                let count = parse_integer("count", text, 1..=MAX_COUNT)?;
                usize::try_from(count).unwrap_or(DEFAULT_COUNT)
            }
        };
        let bound = |text: Option<&[u8]>| match text {
            None => Ok(Bound::Unbounded),
            Some(text) => parse_instant(text).map(Bound::Excluded),
        };
        Ok(Self { range: (bound(after)?, bound(before)?), count })
    }
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::{Bound, Hits};
    use ratelog_core::Instant;

    #[test]
    fn has_a_count_and_a_range() {
        let parse = |line| Hits::parse(words(line));
        let error = |line| parse(line).unwrap_err().to_string();
        let at = |millis| Bound::Excluded(Instant::from_unix_millis(millis).unwrap());
        let all = (Bound::Unbounded, Bound::Unbounded);
        assert_eq!(parse(""), Ok(Hits { range: all, count: 1_000 }));
        let part = Hits { range: (at(5), at(9)), count: 10_000 };
        assert_eq!(parse("before 9 after 5 count 10000"), Ok(part));
        assert_eq!(error("COUNT 10001"), "ERR count '10001' is not an integer from 1 to 10000");
        assert_eq!(error("AFTER x"), "ERR instant 'x' is not milliseconds since the Unix epoch");
    }
}
