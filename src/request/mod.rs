//! Parses argument bytes into typed requests. A surplus argument is an error.

mod check;
mod count;
mod hits;
mod options;
mod r#override;
mod override_list;
mod pattern;
mod policy;
mod refund;

use std::ops::RangeInclusive;

use ratelog_core::{Cost, Instant, Limit, PolicyName, Rule, Rules, TooManyRules, Window};

pub use check::{Check, parse_rule_source};
pub use count::parse_count;
pub use hits::Hits;
pub use r#override::Override;
pub use override_list::OverrideList;
pub use pattern::Pattern;
pub use policy::PolicySet;
pub use refund::Refund;

use crate::error::Error;

/// The bounds of a client's arguments.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The maximum of limits and costs.
    pub limit: Limit,
    /// The longest window.
    pub window: Window,
}

impl Bounds {
    /// The widest bounds, for internal commands and saved data. Their values were validated before.
    pub const WIDEST: Self = Self { limit: Limit::MAX, window: Window::MAX };
}

impl Default for Bounds {
    fn default() -> Self {
        Self { limit: Limit::DEFAULT_MAX, window: Window::DEFAULT_MAX }
    }
}

/// Parses `limit window [limit window ...]` and nothing after it.
pub fn parse_rules<'a>(
    args: impl Iterator<Item = &'a [u8]>,
    bounds: &Bounds,
) -> Result<Rules, Error> {
    let mut args = args;
    let first = args.next().ok_or(Error::Arity)?;
    match rules(first, &mut args, bounds)? {
        (rules, None) => Ok(rules),
        (_, Some(word)) => Err(Error::Unexpected(word.into())),
    }
}

/// Parses the rules that start with the limit `first`. Returns the rules and the word after them.
fn rules<'a>(
    first: &[u8],
    args: &mut impl Iterator<Item = &'a [u8]>,
    bounds: &Bounds,
) -> Result<(Rules, Option<&'a [u8]>), Error> {
    let mut rules = Rules::one(rule(first, args, bounds)?);
    let mut excess = 0;
    let word = loop {
        match args.next() {
            Some(limit) if looks_like_a_number(limit) => {
                if rules.push(rule(limit, args, bounds)?) == Err(TooManyRules) {
                    excess += 1;
                }
            }
            word => break word,
        }
    };
    match excess {
        0 => Ok((rules, word)),
        more => Err(Error::TooManyRules(Rules::MAX + more)),
    }
}

/// Parses the rule that starts with `limit`.
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

/// Returns the value of a command's only keyword, which must be its last argument.
fn keyword<'a>(
    expected: &'static str,
    word: &[u8],
    args: &mut impl Iterator<Item = &'a [u8]>,
) -> Result<&'a [u8], Error> {
    if !is(word, expected) {
        return Err(Error::UnknownKeyword(word.into()));
    }
    let value = args.next().ok_or(Error::KeywordWithoutValue(expected))?;
    match args.next() {
        None => Ok(value),
        Some(again) if is(again, expected) => Err(Error::RepeatedKeyword(expected)),
        Some(more) => Err(Error::Unexpected(more.into())),
    }
}

/// Returns whether `word` equals `keyword`, ignoring case.
pub fn is(word: &[u8], keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword.as_bytes())
}

fn looks_like_a_number(argument: &[u8]) -> bool {
    matches!(argument.first(), None | Some(b'0'..=b'9' | b'+' | b'-' | b'.'))
}

/// Parses a cost in `1..=bounds.limit`. `name` is the argument's name in the error.
pub fn parse_cost(name: &'static str, text: &[u8], bounds: &Bounds) -> Result<Cost, Error> {
    Cost::parse(text, bounds.limit).ok_or_else(|| Error::Integer {
        name,
        given: text.into(),
        min: 1,
        max: bounds.limit.units(),
    })
}

/// Parses a window of at most `max`.
pub fn parse_window(text: &[u8], max: Window) -> Result<Window, Error> {
    Window::parse(text, max).ok_or_else(|| Error::Window { given: text.into(), max })
}

/// Parses an integer in `range`. `name` is the argument's name in the error.
fn parse_integer(
    name: &'static str,
    text: &[u8],
    range: RangeInclusive<u64>,
) -> Result<u64, Error> {
    let (min, max) = (*range.start(), *range.end());
    ratelog_core::parse_decimal(text)
        .filter(|value| range.contains(value))
        .ok_or_else(|| Error::Integer { name, given: text.into(), min, max })
}

/// Parses an instant in whole milliseconds since the Unix epoch.
pub fn parse_instant(text: &[u8]) -> Result<Instant, Error> {
    ratelog_core::parse_decimal(text)
        .and_then(|millis| Instant::from_unix_millis(i64::try_from(millis).ok()?))
        .ok_or_else(|| Error::Instant(text.into()))
}

/// Parses a window in whole milliseconds. `name` is the argument's name in the error.
pub fn parse_millis(name: &'static str, text: &[u8]) -> Result<Window, Error> {
    let max = Window::MAX.millis();
    ratelog_core::parse_decimal(text).and_then(Window::from_millis).ok_or_else(|| Error::Integer {
        name,
        given: text.into(),
        min: 1,
        max,
    })
}

/// Parses the name of a policy.
pub fn parse_policy_name(text: &[u8]) -> Result<PolicyName, Error> {
    PolicyName::parse(text).ok_or_else(|| Error::PolicyName(text.into()))
}

/// Checks that no arguments are left.
pub fn end<'a>(args: impl Iterator<Item = &'a [u8]>) -> Result<(), Error> {
    let mut args = args;
    args.next().map_or(Ok(()), |more| Err(Error::Unexpected(more.into())))
}

/// Splits a line into arguments.
#[cfg(test)]
fn words(line: &str) -> impl Iterator<Item = &[u8]> {
    line.split(' ').filter(|word| !word.is_empty()).map(str::as_bytes)
}
