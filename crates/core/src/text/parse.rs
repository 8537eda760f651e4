use std::str::FromStr;

use winnow::ascii::digit1;
use winnow::combinator::{alt, fail, opt, peek};
use winnow::error::ContextError;
use winnow::prelude::*;
use winnow::token::{one_of, take_while};

use super::calendar::CalendarUnit;
use super::error::{Expected, ParseRulesError};
use crate::unit::Unit;
use crate::{Limit, Rule, Rules, Window, decimal};

type Parsed<T> = Result<T, ContextError<Expected>>;

impl FromStr for Rule {
    type Err = ParseRulesError;

    /// Parses a rule: a limit, `/` or `per`, and a window.
    ///
    /// A window is a unit, or a whole number of units: `ms`, `s`, `m`, `h`, `d`, `w`, `sec`, `min`, and the full words
    /// in the singular or the plural. Case and spaces are ignored. The bounds are [`Limit::MAX`] and [`Window::MAX`]. A
    /// server may have lower bounds.
    ///
    /// # Errors
    /// [`ParseRulesError`] for any other text, such as `-1/minute`, `100/fortnight`, `100/0s`, `1.5/s` or two rules. For
    /// months and years, whose length varies, the message has the rule in days: `100/30d` for `100/month`.
    ///
    /// ```
    /// use ratelog_core::Rule;
    /// let rule: Rule = "5 per 10 seconds".parse().unwrap();
    /// assert_eq!((rule.limit().units(), rule.window().millis()), (5, 10_000));
    /// assert_eq!(rule.to_string(), "5/10s");
    ///
    /// let error = "5 per fortnight".parse::<Rule>().unwrap_err();
    /// assert_eq!(error.offset(), 6);
    /// ```
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_all(rule, Expected::End, text)
    }
}

impl TryFrom<&str> for Rule {
    type Error = ParseRulesError;

    /// Parses a rule: see [`Rule::from_str`].
    fn try_from(text: &str) -> Result<Self, ParseRulesError> {
        text.parse()
    }
}

impl TryFrom<&str> for Rules {
    type Error = ParseRulesError;

    /// Parses rules: see [`Rules::from_str`].
    fn try_from(text: &str) -> Result<Self, ParseRulesError> {
        text.parse()
    }
}

impl FromStr for Rules {
    type Err = ParseRulesError;

    /// Parses rules separated by `;`, `,` or `|`, each as in [`Rule::from_str`].
    ///
    /// # Errors
    /// [`ParseRulesError`] for any other text, such as an empty one, a trailing `;`, or more than [`Rules::MAX`] rules.
    ///
    /// ```
    /// use ratelog_core::Rules;
    /// let rules: Rules = "10/second, 1000 per HOUR".parse().unwrap();
    /// assert_eq!(rules.to_string(), "10/second; 1000/hour");
    /// assert_eq!("10/second|1000/hour".parse(), Ok(rules));
    /// ```
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_all(rules, Expected::RuleOrEnd, text)
    }
}

/// Runs `parser` on the whole of `text`. `next` is the expected input in place of any text left over.
fn parse_all<T>(
    mut parser: impl FnMut(&mut &str) -> Parsed<T>,
    next: Expected,
    text: &str,
) -> Result<T, ParseRulesError> {
    parser.parse(text).map_err(|error| {
        let expected = error.inner().context().next().copied().unwrap_or(next);
        ParseRulesError::new(text, error.offset(), expected)
    })
}

fn rules(input: &mut &str) -> Parsed<Rules> {
    let mut rules = Rules::one(rule(input)?);
    while opt(one_of([';', ',', '|'])).parse_next(input)?.is_some() {
        spaces(input)?;
        rule.verify(|rule| rules.push(*rule).is_ok())
            .context(Expected::FewerRules)
            .parse_next(input)?;
    }
    Ok(rules)
}

fn rule(input: &mut &str) -> Parsed<Rule> {
    spaces(input)?;
    let limit = limit(input)?;
    spaces(input)?;
    per(input)?;
    spaces(input)?;
    let window = window(input, limit)?;
    spaces(input)?;
    Ok(Rule::new(limit, window))
}

fn limit(input: &mut &str) -> Parsed<Limit> {
    digit1
        .verify_map(|digits: &str| Limit::parse(digits.as_bytes(), Limit::MAX))
        .context(Expected::Limit)
        .parse_next(input)
}

fn per(input: &mut &str) -> Parsed<()> {
    let word = word.verify(|word: &str| word.eq_ignore_ascii_case("per"));
    alt(("/".void(), word.void())).context(Expected::Per).parse_next(input)
}

/// `limit` is for the message about a unit of the calendar.
fn window(input: &mut &str, limit: Limit) -> Parsed<Window> {
    peek(one_of(char::is_alphanumeric)).context(Expected::Window).parse_next(input)?;
    (|input: &mut &str| counted_unit(input, limit))
        .verify_map(|(count, unit)| Window::of(count?, unit))
        .context(Expected::WindowInBounds)
        .parse_next(input)
}

/// Parses a unit, with its count; `None` for a count that is out of bounds.
fn counted_unit(input: &mut &str, limit: Limit) -> Parsed<(Option<u64>, Unit)> {
    let count = opt((digit1, spaces)).parse_next(input)?;
    let count =
        count.map_or(Some(1), |(digits, _): (&str, &str)| decimal::parse(digits.as_bytes()));
    match peek(opt(word.verify_map(CalendarUnit::from_word))).parse_next(input)? {
        None => Ok((count, unit(input)?)),
        Some(unit) => match count.and_then(|count| unit.days(count)) {
            None => Ok((None, Unit::Day)),
            Some(days) => {
                fail.context(Expected::FixedLength { unit, limit, days }).parse_next(input)
            }
        },
    }
}

fn unit(input: &mut &str) -> Parsed<Unit> {
    word.verify_map(Unit::from_word).context(Expected::Unit).parse_next(input)
}

fn word<'a>(input: &mut &'a str) -> Parsed<&'a str> {
    take_while(1.., char::is_alphabetic).parse_next(input)
}

fn spaces<'a>(input: &mut &'a str) -> Parsed<&'a str> {
    take_while(0.., char::is_whitespace).parse_next(input)
}
