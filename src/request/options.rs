use super::is;
use crate::error::Error;

/// Parses keywords that are each followed by a value, in any order. Returns the values in the order of `keywords`.
///
/// # Errors
/// [`Error`] for an unknown or repeated keyword, and one without a value.
pub fn parse_options<'a, const N: usize>(
    args: impl Iterator<Item = &'a [u8]>,
    keywords: [&'static str; N],
) -> Result<[Option<&'a [u8]>; N], Error> {
    let mut args = args;
    let mut values = [None; N];
    while let Some(word) = args.next() {
        let (keyword, value) = keywords
            .iter()
            .zip(&mut values)
            .find(|(keyword, _)| is(word, keyword))
            .ok_or_else(|| Error::UnknownKeyword(word.into()))?;
        let given = args.next().ok_or(Error::KeywordWithoutValue(keyword))?;
        if value.replace(given).is_some() {
            return Err(Error::RepeatedKeyword(keyword));
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::parse_options;

    #[test]
    fn keywords_may_come_in_any_order() {
        let options = |line| parse_options(words(line), ["COUNT", "MATCH"]);
        let error = |line| options(line).unwrap_err().to_string();
        assert_eq!(options(""), Ok([None, None]));
        assert_eq!(options("match a* count 5"), Ok([Some(&b"5"[..]), Some(b"a*")]));
        assert_eq!(options("MATCH COUNT"), Ok([None, Some(&b"COUNT"[..])]));
        assert_eq!(error("COUNT"), "ERR COUNT has no value");
        assert_eq!(error("COUNT 1 count 1"), "ERR COUNT is given twice");
        assert_eq!(error("COUNT 1 2"), "ERR unknown keyword '2'");
    }
}
