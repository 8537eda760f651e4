use ratelog_core::{Action, Instant, Window};

use super::{Bounds, is, parse_integer, rules};
use crate::error::Error;

/// `ALLOW|DENY|LIMIT limit window [limit window ...] [EX s|PX ms]`
#[derive(Debug, PartialEq, Eq)]
pub struct Override {
    /// What becomes of the key's checks.
    pub action: Action,
    /// Milliseconds after which it ends; `None` if it stays.
    pub lasts: Option<u64>,
}

const EX: &str = "EX";
const PX: &str = "PX";

impl Override {
    /// Reads the arguments after the key.
    ///
    /// # Errors
    /// [`Error`] for an unknown action, bad rules, a bad span, and anything after it.
    pub fn parse<'a>(args: impl Iterator<Item = &'a [u8]>, bounds: &Bounds) -> Result<Self, Error> {
        let mut args = args;
        let word = args.next().ok_or(Error::Arity)?;
        let (action, word) = if is(word, "ALLOW") {
            (Action::Allow, args.next())
        } else if is(word, "DENY") {
            (Action::Deny, args.next())
        } else if is(word, "LIMIT") {
            let first = args.next().ok_or(Error::KeywordWithoutValue("LIMIT"))?;
            let (rules, word) = rules(first, &mut args, bounds)?;
            (Action::Limit(rules), word)
        } else {
            return Err(Error::Action(word.into()));
        };
        let lasts = word.map(|word| span(word, &mut args)).transpose()?;
        Ok(Self { action, lasts })
    }

    /// The override, put on a key at `now`.
    pub fn at(self, now: Instant) -> ratelog_core::Override {
        let until = self
            .lasts
            .map(|lasts| Instant::from_clock(now.unix_millis().saturating_add_unsigned(lasts)));
        ratelog_core::Override { action: self.action, until }
    }
}

/// `EX s` or `PX ms` and nothing more, in milliseconds.
fn span<'a>(word: &[u8], args: &mut impl Iterator<Item = &'a [u8]>) -> Result<u64, Error> {
    let max = Window::MAX.millis();
    let (keyword, unit) = if is(word, EX) {
        (EX, 1_000)
    } else if is(word, PX) {
        (PX, 1)
    } else {
        return Err(Error::UnknownKeyword(word.into()));
    };
    let text = args.next().ok_or(Error::KeywordWithoutValue(keyword))?;
    let span = parse_integer(keyword, text, max / unit)? * unit;
    match args.next() {
        None => Ok(span),
        Some(again) if is(again, EX) || is(again, PX) => Err(Error::RepeatedKeyword("EX or PX")),
        Some(more) => Err(Error::Unexpected(more.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::{Bounds, Override};
    use ratelog_core::{Action, Instant};

    fn parse(line: &str) -> Result<Override, crate::error::Error> {
        Override::parse(words(line), &Bounds::default())
    }

    #[test]
    fn is_an_action_and_a_span() {
        assert_eq!(parse("allow"), Ok(Override { action: Action::Allow, lasts: None }));
        assert_eq!(parse("DENY ex 5"), Ok(Override { action: Action::Deny, lasts: Some(5_000) }));
        let put = parse("LIMIT 10 1s 100 1m PX 7").unwrap();
        assert_eq!(put.lasts, Some(7));
        let now = Instant::from_unix_millis(1_000).unwrap();
        assert_eq!(put.at(now).until, Instant::from_unix_millis(1_007));
        assert_eq!(parse("DENY EX 316224000").unwrap().at(Instant::MAX).until, Some(Instant::MAX));
    }

    #[test]
    fn names_what_is_wrong() {
        let told = |line| parse(line).unwrap_err().to_string();
        assert_eq!(told("PASS"), "ERR override 'PASS' is not ALLOW, DENY or LIMIT");
        assert_eq!(told("LIMIT"), "ERR LIMIT has no value");
        assert_eq!(told("LIMIT 10"), "ERR limit '10' has no window");
        assert_eq!(told("LIMIT EX 5"), "ERR limit 'EX' is not an integer from 1 to 1000000");
        assert_eq!(told("ALLOW 5"), "ERR unknown keyword '5'");
        assert_eq!(told("ALLOW EX"), "ERR EX has no value");
        assert_eq!(told("ALLOW EX 0"), "ERR EX '0' is not an integer from 1 to 316224000");
        assert_eq!(told("ALLOW PX 1.5"), "ERR PX '1.5' is not an integer from 1 to 316224000000");
        assert_eq!(told("ALLOW EX 5 PX 5"), "ERR EX or PX is given twice");
        assert_eq!(told("ALLOW EX 5 x"), "ERR unexpected argument 'x'");
    }
}
