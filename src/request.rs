//! Argument bytes to typed requests. What is left over is an error.

use ratelog_core::{Cost, Instant, Limit, Rule, Rules, TooManyRules, Window};

use crate::error::Error;

/// The most that a caller may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// For limits and costs.
    pub limit: Limit,
    /// For windows.
    pub window: Window,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { limit: Limit::DEFAULT_MAX, window: Window::DEFAULT_MAX }
    }
}

/// `limit window [limit window ...] [COST n]`
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// The rules, in the order given.
    pub rules: Rules,
    /// The units asked for.
    pub cost: Cost,
}

/// `[COST n]`
#[derive(Debug, PartialEq, Eq)]
pub struct Refund {
    /// The units to take back.
    pub units: Cost,
}

/// `[COUNT n]`
#[derive(Debug, PartialEq, Eq)]
pub struct Hits {
    /// The most hits to give.
    pub count: usize,
}

impl Check {
    /// Reads the arguments after the key.
    ///
    /// # Errors
    /// [`Error`] for no rule, a bad limit, window or cost, a limit without a window, more than
    /// [`Rules::MAX`] rules, an unknown or repeated keyword, and anything after the cost.
    pub fn parse<'a>(args: impl Iterator<Item = &'a [u8]>, bounds: &Bounds) -> Result<Self, Error> {
        let mut args = args;
        let limit = args.next().ok_or(Error::Arity)?;
        let mut rules = Rules::one(rule(limit, &mut args, bounds)?);
        let mut cost = Cost::ONE;
        let mut left_out = 0;
        while let Some(argument) = args.next() {
            if looks_like_a_number(argument) {
                if rules.push(rule(argument, &mut args, bounds)?) == Err(TooManyRules) {
                    left_out += 1;
                }
            } else {
                cost = parse_cost("cost", keyword(COST, argument, &mut args)?, bounds)?;
            }
        }
        match left_out {
            0 => Ok(Self { rules, cost }),
            more => Err(Error::TooManyRules(Rules::MAX + more)),
        }
    }
}

impl Refund {
    /// Reads the arguments after the key.
    ///
    /// # Errors
    /// [`Error`] for a bad cost, an unknown or repeated keyword, and anything after the cost.
    pub fn parse<'a>(args: impl Iterator<Item = &'a [u8]>, bounds: &Bounds) -> Result<Self, Error> {
        let mut args = args;
        let units = match args.next() {
            None => Cost::ONE,
            Some(word) => parse_cost("cost", keyword(COST, word, &mut args)?, bounds)?,
        };
        Ok(Self { units })
    }
}

impl Hits {
    /// Reads the arguments after the key.
    ///
    /// # Errors
    /// [`Error`] for a bad count, an unknown or repeated keyword, and anything after the count.
    pub fn parse<'a>(args: impl Iterator<Item = &'a [u8]>) -> Result<Self, Error> {
        let mut args = args;
        let Some(word) = args.next() else {
            return Ok(Self { count: usize::MAX });
        };
        let text = keyword(COUNT, word, &mut args)?;
        let max = i64::MAX.cast_unsigned();
        let count = ratelog_core::parse_decimal(text)
            .filter(|count| (1..=max).contains(count))
            .ok_or(Error::Integer { name: "count", given: text.into(), max })?;
        Ok(Self { count: usize::try_from(count).unwrap_or(usize::MAX) })
    }
}

const COST: &str = "COST";
const COUNT: &str = "COUNT";

/// The rule that begins with `limit`.
fn rule<'a>(
    limit: &[u8],
    args: &mut impl Iterator<Item = &'a [u8]>,
    bounds: &Bounds,
) -> Result<Rule, Error> {
    let parsed =
        Limit::parse(limit, bounds.limit).ok_or_else(|| Error::limit(limit, bounds.limit))?;
    let window = args.next().ok_or_else(|| Error::LimitWithoutWindow(limit.into()))?;
    Ok(Rule::new(parsed, parse_window(window, bounds.window)?))
}

/// The value of the only keyword a command has, which must be the last of its arguments.
fn keyword<'a>(
    expected: &'static str,
    word: &[u8],
    args: &mut impl Iterator<Item = &'a [u8]>,
) -> Result<&'a [u8], Error> {
    if !word.eq_ignore_ascii_case(expected.as_bytes()) {
        return Err(Error::UnknownKeyword(word.into()));
    }
    let value = args.next().ok_or(Error::KeywordWithoutValue(expected))?;
    match args.next() {
        None => Ok(value),
        Some(again) if again.eq_ignore_ascii_case(expected.as_bytes()) => {
            Err(Error::RepeatedKeyword(expected))
        }
        Some(more) => Err(Error::Unexpected(more.into())),
    }
}

fn looks_like_a_number(argument: &[u8]) -> bool {
    matches!(argument.first(), None | Some(b'0'..=b'9' | b'+' | b'-' | b'.'))
}

/// A cost in `1..=bounds.limit`, which the error calls `name`.
pub fn parse_cost(name: &'static str, text: &[u8], bounds: &Bounds) -> Result<Cost, Error> {
    Cost::parse(text, bounds.limit).ok_or_else(|| Error::Integer {
        name,
        given: text.into(),
        max: bounds.limit.units(),
    })
}

fn parse_window(text: &[u8], max: Window) -> Result<Window, Error> {
    Window::parse(text, max).ok_or_else(|| Error::Window { given: text.into(), max })
}

/// An instant in whole milliseconds since the Unix epoch.
pub fn parse_instant(text: &[u8]) -> Result<Instant, Error> {
    ratelog_core::parse_decimal(text)
        .and_then(|millis| Instant::from_unix_millis(i64::try_from(millis).ok()?))
        .ok_or_else(|| Error::Instant(text.into()))
}

#[cfg(test)]
mod tests {
    use super::{Bounds, Check, Hits, Refund};
    use crate::error::Error;

    fn words(line: &str) -> impl Iterator<Item = &[u8]> {
        line.split(' ').filter(|word| !word.is_empty()).map(str::as_bytes)
    }

    fn check(line: &str) -> Result<Check, Error> {
        Check::parse(words(line), &Bounds::default())
    }

    fn told<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_check_is_rules_and_a_cost() {
        let request = check("10 1s 100 1m 1000 1h cost 5").unwrap();
        let rules: Vec<_> = request
            .rules
            .iter()
            .map(|rule| (rule.limit().units(), rule.window().millis()))
            .collect();
        assert_eq!(rules, [(10, 1_000), (100, 60_000), (1_000, 3_600_000)]);
        assert_eq!(request.cost.units(), 5);
        assert_eq!(check("10 60").unwrap().cost.units(), 1);
        assert_eq!(check(&"7 7 ".repeat(16)).unwrap().rules.iter().count(), 16);
    }

    #[test]
    fn every_malformed_check_names_its_argument() {
        let window = |given: &str| {
            format!(
                "ERR window '{given}' is not a positive integer with a unit of ms, s, m, h or d (none \
                 means seconds), at most 366d"
            )
        };
        let integer = |name: &str, given: &str| {
            format!("ERR {name} '{given}' is not an integer from 1 to 1000000")
        };
        for (line, text) in [
            ("abc 60", integer("limit", "abc")),
            ("POLICY x", integer("limit", "POLICY")),
            ("0 60", integer("limit", "0")),
            ("1000001 60", integer("limit", "1000001")),
            ("1.5 60", integer("limit", "1.5")),
            ("10 0", window("0")),
            ("10 -1", window("-1")),
            ("10 367d", window("367d")),
            ("10 60 +5 60", integer("limit", "+5")),
            ("10 60 5", "ERR limit '5' has no window".into()),
            ("10 60 FOO 5", "ERR unknown keyword 'FOO'".into()),
            ("10 60 COST", "ERR COST has no value".into()),
            ("10 60 COST 0", integer("cost", "0")),
            ("10 60 COST 1000001", integer("cost", "1000001")),
            ("10 60 COST 1 COST 1", "ERR COST is given twice".into()),
            ("10 60 COST 1 100 60", "ERR unexpected argument '100'".into()),
        ] {
            assert_eq!(told(check(line)), text, "{line}");
        }
        let seventeen = "ERR 17 rules are given, at most 16 are allowed";
        assert_eq!(told(check(&"7 7 ".repeat(17))), seventeen);
        assert_eq!(told(check(&("7 7 ".repeat(17) + "COST 1"))), seventeen);
        assert_eq!(check(""), Err(Error::Arity));
    }

    #[test]
    fn a_refund_and_a_count_take_one_keyword() {
        let refund = |line| Refund::parse(words(line), &Bounds::default());
        assert_eq!(refund("").unwrap().units.units(), 1);
        assert_eq!(refund("cost 7").unwrap().units.units(), 7);
        assert_eq!(told(refund("7")), "ERR unknown keyword '7'");
        let hits = |line| Hits::parse(words(line));
        assert_eq!(hits("").unwrap().count, usize::MAX);
        assert_eq!(hits("Count 7").unwrap().count, 7);
        let text = "ERR count '0' is not an integer from 1 to 9223372036854775807";
        assert_eq!(told(hits("COUNT 0")), text);
        assert_eq!(told(hits("COUNT 1 2")), "ERR unexpected argument '2'");
        assert_eq!(told(hits("COUNT")), "ERR COUNT has no value");
    }
}
