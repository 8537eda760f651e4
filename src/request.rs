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
        Self {
            limit: Limit::DEFAULT_MAX,
            window: Window::DEFAULT_MAX,
        }
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
        let mut given: usize = 1;
        while let Some(argument) = args.next() {
            if !looks_like_a_number(argument) {
                let cost = keyword(COST, argument, &mut args)?;
                if given > Rules::MAX {
                    return Err(Error::TooManyRules(given));
                }
                return Ok(Self {
                    rules,
                    cost: parse_cost("cost", cost, bounds)?,
                });
            }
            let rule = rule(argument, &mut args, bounds)?;
            given += 1;
            if rules.push(rule) == Err(TooManyRules) {
                // Counted on, so that the error tells how many there are.
            }
        }
        if given > Rules::MAX {
            return Err(Error::TooManyRules(given));
        }
        Ok(Self {
            rules,
            cost: Cost::ONE,
        })
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
            .ok_or(Error::Integer {
                name: "count",
                given: text.into(),
                max,
            })?;
        Ok(Self {
            count: usize::try_from(count).unwrap_or(usize::MAX),
        })
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
    let window = args
        .next()
        .ok_or_else(|| Error::LimitWithoutWindow(limit.into()))?;
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
    matches!(
        argument.first(),
        None | Some(b'0'..=b'9' | b'+' | b'-' | b'.')
    )
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
    Window::parse(text, max).ok_or_else(|| Error::Window {
        given: text.into(),
        max,
    })
}

/// An instant in whole milliseconds since the Unix epoch.
pub fn parse_instant(text: &[u8]) -> Result<Instant, Error> {
    ratelog_core::parse_decimal(text)
        .and_then(|millis| Instant::from_unix_millis(i64::try_from(millis).ok()?))
        .ok_or_else(|| Error::Instant(text.into()))
}
