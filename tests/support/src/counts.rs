//! The counts of `RL.STATS`, with names.

use std::collections::HashMap;

use redis::{Value, from_redis_value};

use super::Client;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub checks: i64,
    pub allowed: i64,
    pub denied: i64,
    pub shadow_denied: i64,
    pub overridden: i64,
}

impl Counts {
    /// Returns counts for checks that the caller's rules allowed or denied.
    pub fn of(allowed: i64, denied: i64) -> Self {
        Self { checks: allowed + denied, allowed, denied, ..Self::default() }
    }

    pub fn with_shadow_denied(self, shadow_denied: i64) -> Self {
        Self { shadow_denied, ..self }
    }

    pub fn with_overridden(self, overridden: i64) -> Self {
        Self { overridden, ..self }
    }

    /// Reads each count through `field`.
    pub fn read(mut field: impl FnMut(&str) -> i64) -> Self {
        Self {
            checks: field("checks"),
            allowed: field("allowed"),
            denied: field("denied"),
            shadow_denied: field("shadow_denied"),
            overridden: field("overridden"),
        }
    }
}

/// Returns the total counts in the reply to `command`, and the counts of each policy.
#[track_caller]
pub fn counts(db: &mut Client, command: &str) -> (Counts, HashMap<String, Counts>) {
    let mut fields: HashMap<String, Value> = db.run(command);
    let policies = fields.remove("policies").expect("policies are a field");
    let policies: HashMap<String, HashMap<String, i64>> =
        from_redis_value(policies).expect("counts by policy");
    let totals =
        Counts::read(|name| from_redis_value(fields[name].clone()).expect("a count is a number"));
    assert_eq!(fields.len(), 5, "{fields:?}");
    let of_each = policies.into_iter().map(|(name, fields)| {
        assert_eq!(fields.len(), 5, "{fields:?}");
        (name, Counts::read(|field| fields[field]))
    });
    (totals, of_each.collect())
}
