use super::{keyword, parse_integer};
use crate::error::Error;

/// Parses `[COUNT n]`, the maximum length of a list. Returns `None` if the arguments are empty.
///
/// # Errors
/// [`Error`] for a bad count, an unknown or repeated keyword, and any argument after the count.
pub fn parse_count<'a>(args: impl Iterator<Item = &'a [u8]>) -> Result<Option<usize>, Error> {
    let mut args = args;
    let Some(word) = args.next() else {
        return Ok(None);
    };
    let text = keyword("COUNT", word, &mut args)?;
    let count = parse_integer("count", text, 1..=i64::MAX.unsigned_abs())?;
    Ok(Some(usize::try_from(count).unwrap_or(usize::MAX)))
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::parse_count;

    #[test]
    fn accepts_one_keyword() {
        let count = |line| parse_count(words(line));
        let error = |line| count(line).unwrap_err().to_string();
        assert_eq!(count(""), Ok(None));
        assert_eq!(count("Count 7"), Ok(Some(7)));
        let text = "ERR count '0' is not an integer from 1 to 9223372036854775807";
        assert_eq!(error("COUNT 0"), text);
        assert_eq!(error("COUNT 1 2"), "ERR unexpected argument '2'");
        assert_eq!(error("COUNT"), "ERR COUNT has no value");
    }
}
