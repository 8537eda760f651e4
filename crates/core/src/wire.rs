//! A decision as the six integers of a reply. Only this file defines their order.

use std::fmt;

use crate::{Decision, Limit, Window};

/// The names of the six integers, in the order of the reply.
pub const FIELDS: [&str; 6] =
    ["allowed", "limit", "remaining", "retry_after_ms", "reset_after_ms", "window_ms"];

/// The `retry_after_ms` of a check that is never allowed.
const NEVER: i64 = -1;

/// Encodes a decision as six integers, in the order of [`FIELDS`].
#[must_use]
pub fn encode(decision: &Decision) -> [i64; 6] {
    [
        i64::from(decision.allowed),
        decision.limit.units().cast_signed(),
        decision.remaining.cast_signed(),
        decision.retry_after.map_or(NEVER, u64::cast_signed),
        decision.reset_after.cast_signed(),
        decision.window.millis().cast_signed(),
    ]
}

/// Decodes the six integers of a reply.
///
/// # Errors
/// [`WireError`] names the first field with an invalid value, such as an `allowed` of 2.
pub fn decode(fields: [i64; 6]) -> Result<Decision, WireError> {
    let [allowed, limit, remaining, retry_after, reset_after, window] = fields;
    let wrong = |index: usize, value: i64| WireError { field: FIELDS.get(index).copied(), value };
    Ok(Decision {
        allowed: match allowed {
            0 => false,
            1 => true,
            other => return Err(wrong(0, other)),
        },
        limit: Limit::new(u32::try_from(limit).map_err(|_| wrong(1, limit))?),
        remaining: u64::try_from(remaining).map_err(|_| wrong(2, remaining))?,
        retry_after: match retry_after {
            NEVER => None,
            span => Some(u64::try_from(span).map_err(|_| wrong(3, span))?),
        },
        reset_after: u64::try_from(reset_after).map_err(|_| wrong(4, reset_after))?,
        window: u64::try_from(window).ok().and_then(Window::from_millis).ok_or(wrong(5, window))?,
    })
}

/// The error of a reply that is not a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireError {
    field: Option<&'static str>,
    value: i64,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of a decision cannot be {}", self.field.unwrap_or_default(), self.value)
    }
}

impl std::error::Error for WireError {}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn every_decision_round_trips() {
        for fields in [
            [1, 100, 99, 0, 60_000, 60_000],
            [0, 5, 0, 1, 1, 1],
            [0, 0, 0, -1, 60_000, 60_000],
            [0, 1_000_000, 7, -1, 0, 31_622_400_000],
        ] {
            assert_eq!(encode(&decode(fields).unwrap()), fields);
        }
    }

    #[test]
    fn the_error_names_the_field() {
        let good = [1, 100, 99, 0, 60_000, 60_000];
        let wrong = [
            (0, 2, "allowed of a decision cannot be 2"),
            (1, -1, "limit of a decision cannot be -1"),
            (2, -1, "remaining of a decision cannot be -1"),
            (3, -2, "retry_after_ms of a decision cannot be -2"),
            (4, -1, "reset_after_ms of a decision cannot be -1"),
            (5, 0, "window_ms of a decision cannot be 0"),
        ];
        for (index, value, text) in wrong {
            let mut fields = good;
            fields[index] = value;
            assert_eq!(decode(fields).unwrap_err().to_string(), text);
        }
    }
}
