//! The decision that `RL.CHECK` and `RL.PEEK` return: six integers, with names.

use redis::{FromRedisValue, ParsingError, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub allowed: bool,
    pub limit: i64,
    pub remaining: i64,
    pub retry_after_ms: i64,
    pub reset_after_ms: i64,
    pub window_ms: i64,
}

impl FromRedisValue for Decision {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let Value::Array(items) = &value else {
            return Err(format!("a decision is an array, not {value:?}").into());
        };
        let [
            Value::Int(allowed @ (0 | 1)),
            Value::Int(limit),
            Value::Int(remaining),
            Value::Int(retry_after_ms),
            Value::Int(reset_after_ms),
            Value::Int(window_ms),
        ] = items[..]
        else {
            return Err(format!("a decision is six integers, not {value:?}").into());
        };
        Ok(Self {
            allowed: allowed == 1,
            limit,
            remaining,
            retry_after_ms,
            reset_after_ms,
            window_ms,
        })
    }
}
