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
    pub near: i64,
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

    pub fn with_near(self, near: i64) -> Self {
        Self { near, ..self }
    }

    /// Reads each count through `field`.
    pub fn read(mut field: impl FnMut(&str) -> i64) -> Self {
        Self {
            checks: field("checks"),
            allowed: field("allowed"),
            denied: field("denied"),
            shadow_denied: field("shadow_denied"),
            overridden: field("overridden"),
            near: field("near"),
        }
    }
}

/// Returns the total counts in the reply to `command`, and the counts of each policy.
#[track_caller]
pub fn counts(db: &mut Client, command: &str) -> (Counts, HashMap<String, Counts>) {
    let (totals, policies) = stats(db, command);
    (totals, policies.into_iter().map(|(name, (counts, _))| (name, counts)).collect())
}

/// Returns the denials by each rule of a policy.
#[track_caller]
pub fn denied_by_rule(db: &mut Client, policy: &str) -> Vec<i64> {
    stats(db, "RL.STATS").1.remove(policy).expect("the policy exists").1
}

type OfPolicy = (Counts, Vec<i64>);

#[track_caller]
fn stats(db: &mut Client, command: &str) -> (Counts, HashMap<String, OfPolicy>) {
    let mut fields: HashMap<String, Value> = db.run(command);
    let policies = fields.remove("policies").expect("policies are a field");
    let policies: HashMap<String, HashMap<String, Value>> =
        from_redis_value(policies).expect("counts by policy");
    let of_each = policies.into_iter().map(|(name, mut fields)| {
        let by_rule = fields.remove("denied_by_rule").expect("denials are a field");
        (name, (read(fields), from_redis_value(by_rule).expect("denials are numbers")))
    });
    (read(fields), of_each.collect())
}

#[track_caller]
fn read(mut fields: HashMap<String, Value>) -> Counts {
    let counts = Counts::read(|name| {
        let count = fields.remove(name).expect("the count is a field");
        from_redis_value(count).expect("a count is a number")
    });
    assert!(fields.is_empty(), "{fields:?}");
    counts
}
