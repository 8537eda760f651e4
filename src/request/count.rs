use super::{keyword, parse_integer};
use crate::error::Error;

/// Reads `[COUNT n]`: how many of a list are wanted; `None` where that is not said.
///
/// # Errors
/// [`Error`] for a bad count, an unknown or repeated keyword, and anything after the count.
pub fn parse_count<'a>(args: impl Iterator<Item = &'a [u8]>) -> Result<Option<usize>, Error> {
    let mut args = args;
    let Some(word) = args.next() else {
        return Ok(None);
    };
    let text = keyword("COUNT", word, &mut args)?;
    let count = parse_integer("count", text, i64::MAX.unsigned_abs())?;
    Ok(Some(usize::try_from(count).unwrap_or(usize::MAX)))
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::parse_count;

    #[test]
    fn takes_one_keyword() {
        let count = |line| parse_count(words(line));
        let told = |line| count(line).unwrap_err().to_string();
        assert_eq!(count(""), Ok(None));
        assert_eq!(count("Count 7"), Ok(Some(7)));
        let text = "ERR count '0' is not an integer from 1 to 9223372036854775807";
        assert_eq!(told("COUNT 0"), text);
        assert_eq!(told("COUNT 1 2"), "ERR unexpected argument '2'");
        assert_eq!(told("COUNT"), "ERR COUNT has no value");
    }
}
