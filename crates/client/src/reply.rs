//! Parses the server's replies. Everything in them is validated.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use ratelog_core::{Limit, Rule, Rules, Window, wire};
use redis::{FromRedisValue, Value, from_redis_value};

use crate::{Decision, Source};

/// A description of the defect of a reply.
pub(crate) type InvalidReply = String;

pub(crate) fn parse<T: FromRedisValue>(value: Value) -> Result<T, InvalidReply> {
    from_redis_value(value).map_err(|error| error.to_string())
}

/// The fields of a map, by name.
pub(crate) struct Fields(HashMap<String, Value>);

impl Fields {
    pub(crate) fn from_value(value: Value) -> Result<Self, InvalidReply> {
        parse(value).map(Self)
    }

    pub(crate) fn take(&mut self, name: &str) -> Result<Value, InvalidReply> {
        self.0.remove(name).ok_or_else(|| format!("{name} is missing"))
    }

    pub(crate) fn parse<T: FromRedisValue>(&mut self, name: &str) -> Result<T, InvalidReply> {
        parse(self.take(name)?).map_err(|invalid| format!("{name}: {invalid}"))
    }
}

impl IntoIterator for Fields {
    type Item = (String, Value);
    type IntoIter = std::collections::hash_map::IntoIter<String, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// A decision: six integers, in the order of the core crate.
pub(crate) fn decision(value: Value, source: Source) -> Result<Decision, InvalidReply> {
    let integers: Vec<i64> = parse(value)?;
    let integers = <[i64; 6]>::try_from(integers)
        .map_err(|other| format!("a decision has six integers, not {}", other.len()))?;
    let decision = wire::decode(integers).map_err(|error| error.to_string())?;
    Ok(Decision::new(decision, source))
}

/// A null, or a value that `parse_value` parses.
pub(crate) fn optional<T>(
    value: Value,
    parse_value: impl FnOnce(Value) -> Result<T, InvalidReply>,
) -> Result<Option<T>, InvalidReply> {
    if value == Value::Nil { Ok(None) } else { parse_value(value).map(Some) }
}

/// An array whose elements `parse_element` parses.
pub(crate) fn array<T>(
    value: Value,
    parse_element: impl Fn(Value) -> Result<T, InvalidReply>,
) -> Result<Vec<T>, InvalidReply> {
    parse::<Vec<Value>>(value)?.into_iter().map(parse_element).collect()
}

/// Rules: pairs of limit, in units, and window, in milliseconds. `None` if there are none.
pub(crate) fn rules(value: Value) -> Result<Option<Rules>, InvalidReply> {
    let pairs: Vec<(u32, u64)> = parse(value)?;
    if pairs.is_empty() {
        return Ok(None);
    }
    let rule = |(limit, millis)| {
        Window::from_millis(millis)
            .map(|window| Rule::new(Limit::new(limit), window))
            .ok_or_else(|| format!("{limit} units in {millis} ms is not a rule"))
    };
    let rules = pairs.into_iter().map(rule).collect::<Result<Vec<_>, _>>()?;
    let count = rules.len();
    Rules::new(rules).map(Some).ok_or_else(|| format!("{count} rules are too many"))
}

/// A Unix time in milliseconds.
pub(crate) fn time(millis: u64) -> Result<SystemTime, InvalidReply> {
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_millis(millis))
        .ok_or_else(|| format!("{millis} ms is out of range"))
}
