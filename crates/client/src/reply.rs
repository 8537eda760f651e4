//! The server's values as the types of this crate. Everything that they hold is checked.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use ratelog_core::{Limit, Rule, Rules, Window, wire};
use redis::{FromRedisValue, Value, from_redis_value};

use crate::{Decision, Source};

/// What is wrong with a value.
pub(crate) type Fault = String;

pub(crate) fn take<T: FromRedisValue>(value: Value) -> Result<T, Fault> {
    from_redis_value(value).map_err(|error| error.to_string())
}

/// The fields of a map, by their names.
pub(crate) struct Fields(HashMap<String, Value>);

impl Fields {
    pub(crate) fn of(value: Value) -> Result<Self, Fault> {
        take(value).map(Self)
    }

    pub(crate) fn value(&mut self, name: &str) -> Result<Value, Fault> {
        self.0.remove(name).ok_or_else(|| format!("{name} is missing"))
    }

    pub(crate) fn take<T: FromRedisValue>(&mut self, name: &str) -> Result<T, Fault> {
        take(self.value(name)?).map_err(|fault| format!("{name}: {fault}"))
    }

    pub(crate) fn into_names(self) -> impl Iterator<Item = (String, Value)> {
        self.0.into_iter()
    }
}

/// A decision: the six integers that the core has named and ordered.
pub(crate) fn decision(value: Value, source: Source) -> Result<Decision, Fault> {
    let integers: Vec<i64> = take(value)?;
    let fields = <[i64; 6]>::try_from(integers)
        .map_err(|other| format!("a decision has six integers, not {}", other.len()))?;
    let decided = wire::decode(fields).map_err(|error| error.to_string())?;
    Ok(Decision::new(decided, source))
}

/// `null`, or what `read` makes of the value.
pub(crate) fn optional<T>(
    value: Value,
    read: impl FnOnce(Value) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    if value == Value::Nil { Ok(None) } else { read(value).map(Some) }
}

/// Each element of an array as `read` reads it.
pub(crate) fn each<T>(
    value: Value,
    read: impl Fn(Value) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    take::<Vec<Value>>(value)?.into_iter().map(read).collect()
}

/// Pairs of limit and window in milliseconds; `None` if there are none.
pub(crate) fn rules(value: Value) -> Result<Option<Rules>, Fault> {
    let pairs: Vec<(u32, u64)> = take(value)?;
    if pairs.is_empty() {
        return Ok(None);
    }
    let rule = |(limit, window)| {
        let rule = Limit::new(limit).zip(Window::from_millis(window));
        rule.map(|(limit, window)| Rule::new(limit, window))
            .ok_or_else(|| format!("{limit} units in {window} ms are no rule"))
    };
    let rules = pairs.into_iter().map(rule).collect::<Result<Vec<_>, _>>()?;
    let count = rules.len();
    Rules::new(rules).map(Some).ok_or_else(|| format!("{count} rules are too many"))
}

/// Milliseconds since the Unix epoch.
pub(crate) fn instant(millis: u64) -> Result<SystemTime, Fault> {
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_millis(millis))
        .ok_or_else(|| format!("{millis} ms is no time"))
}
