use ratelog_core::{Action, Instant, Window};

use super::{Bounds, is, parse_integer, rules};
use crate::error::Error;

/// `ALLOW|DENY|LIMIT limit window [limit window ...] [EX s|PX ms]`
#[derive(Debug, PartialEq, Eq)]
pub struct Override {
    /// The action.
    pub action: Action,
    /// The number of milliseconds after which the override ends, or `None` if it does not end.
    pub ttl: Option<u64>,
}

const EX: &str = "EX";
const PX: &str = "PX";

impl Override {
    /// Parses the arguments after the key.
    ///
    /// # Errors
    /// [`Error`] for an unknown action, bad rules, a bad duration, and any argument after it.
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
        let ttl = word.map(|word| parse_ttl(word, &mut args)).transpose()?;
        Ok(Self { action, ttl })
    }

    /// Returns the override as set at `now`.
    pub fn at(self, now: Instant) -> ratelog_core::Override {
        let until =
            self.ttl.map(|ttl| Instant::from_clock(now.unix_millis().saturating_add_unsigned(ttl)));
        ratelog_core::Override { action: self.action, until }
    }
}

/// Parses `EX s` or `PX ms` and nothing after it. Returns milliseconds.
fn parse_ttl<'a>(word: &[u8], args: &mut impl Iterator<Item = &'a [u8]>) -> Result<u64, Error> {
    let max = Window::MAX.millis();
    let (keyword, unit) = if is(word, EX) {
        (EX, 1_000)
    } else if is(word, PX) {
        (PX, 1)
    } else {
        return Err(Error::UnknownKeyword(word.into()));
    };
    let text = args.next().ok_or(Error::KeywordWithoutValue(keyword))?;
    let ttl = parse_integer(keyword, text, 1..=max / unit)? * unit;
    match args.next() {
        None => Ok(ttl),
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
    fn has_an_action_and_a_duration() {
        assert_eq!(parse("allow"), Ok(Override { action: Action::Allow, ttl: None }));
        assert_eq!(parse("DENY ex 5"), Ok(Override { action: Action::Deny, ttl: Some(5_000) }));
        let limit = parse("LIMIT 10 1s 100 1m PX 7").unwrap();
        assert_eq!(limit.ttl, Some(7));
        let now = Instant::from_unix_millis(1_000).unwrap();
        assert_eq!(limit.at(now).until, Instant::from_unix_millis(1_007));
        assert_eq!(parse("DENY EX 316224000").unwrap().at(Instant::MAX).until, Some(Instant::MAX));
    }

    #[test]
    fn errors_name_the_wrong_argument() {
        let error = |line| parse(line).unwrap_err().to_string();
        assert_eq!(error("PASS"), "ERR override 'PASS' is not ALLOW, DENY or LIMIT");
        assert_eq!(error("LIMIT"), "ERR LIMIT has no value");
        assert_eq!(error("LIMIT 10"), "ERR limit '10' has no window");
        assert_eq!(error("LIMIT EX 5"), "ERR limit 'EX' is not an integer from 0 to 1000000");
        assert_eq!(error("ALLOW 5"), "ERR unknown keyword '5'");
        assert_eq!(error("ALLOW EX"), "ERR EX has no value");
        assert_eq!(error("ALLOW EX 0"), "ERR EX '0' is not an integer from 1 to 316224000");
        assert_eq!(error("ALLOW PX 1.5"), "ERR PX '1.5' is not an integer from 1 to 316224000000");
        assert_eq!(error("ALLOW EX 5 PX 5"), "ERR EX or PX is given twice");
        assert_eq!(error("ALLOW EX 5 x"), "ERR unexpected argument 'x'");
    }
}
