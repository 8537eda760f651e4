use std::collections::BTreeMap;

use redis::{Value, cmd};

use super::{Command, Routing};
use crate::reply::{self, Fields, InvalidReply};

/// Counts of checks by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// All checks.
    pub checks: u64,
    /// Allowed checks.
    pub allowed: u64,
    /// Denied checks.
    pub denied: u64,
    /// Checks that a shadow policy allowed and would have denied.
    pub shadow_denied: u64,
    /// Checks that an override decided.
    pub overridden: u64,
    /// Checks that rules allowed with at most a fifth of the limit remaining.
    pub near: u64,
}

/// Counts of the checks by one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyStats {
    /// The counts of the policy's checks.
    pub counts: Counts,
    /// The checks that each rule denied, or would have denied in shadow mode, in the order of the policy's rules. In a
    /// cluster whose shards have different rules, each shard counts by its own.
    pub denied_by_rule: Vec<u64>,
}

/// Counts of a server's checks; in a cluster, summed over all primaries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The counts of all checks.
    pub total: Counts,
    /// The counts of each policy, by name.
    pub policies: BTreeMap<String, PolicyStats>,
}

/// The count that `RL.TOP` ranks keys by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranking {
    /// Denied checks.
    Denied,
    /// All checks.
    Checked,
}

/// A key and the estimated count of its checks in recent minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ranked {
    /// The key.
    pub key: Vec<u8>,
    /// The estimated count.
    pub count: u64,
}

/// `RL.STATS`: counts of checks by outcome; in a cluster, summed over all primaries.
#[must_use]
pub fn stats() -> Command<Stats> {
    Command::new(cmd("RL.STATS"), Routing::EveryPrimary, parse_stats).merge_with(sum)
}

/// `RL.STATS RESET`: the same counts, which are then set to zero. This empties the list of [`top`] too.
#[must_use]
pub fn reset_stats() -> Command<Stats> {
    let mut cmd = cmd("RL.STATS");
    cmd.arg("RESET");
    Command::new(cmd, Routing::EveryPrimary, parse_stats).merge_with(sum)
}

/// `RL.TOP`: the keys with the most checks, heaviest first; at most `count` of each shard.
#[must_use]
pub fn top(ranking: Ranking, count: u32) -> Command<Vec<Ranked>> {
    let mut cmd = cmd("RL.TOP");
    cmd.arg(match ranking {
        Ranking::Denied => "DENIED",
        Ranking::Checked => "CHECKED",
    });
    cmd.arg("COUNT").arg(count);
    Command::new(cmd, Routing::EveryPrimary, |value| reply::array(value, ranked)).merge_with(
        |shards| {
            let mut all = shards.concat();
            all.sort_by_key(|ranked| std::cmp::Reverse(ranked.count));
            Some(all)
        },
    )
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.checks += other.checks;
        self.allowed += other.allowed;
        self.denied += other.denied;
        self.shadow_denied += other.shadow_denied;
        self.overridden += other.overridden;
        self.near += other.near;
    }
}

impl std::ops::AddAssign for PolicyStats {
    fn add_assign(&mut self, other: Self) {
        self.counts += other.counts;
        let rules = self.denied_by_rule.len().max(other.denied_by_rule.len());
        self.denied_by_rule.resize(rules, 0);
        for (count, other) in self.denied_by_rule.iter_mut().zip(other.denied_by_rule) {
            *count += other;
        }
    }
}

fn sum(shards: Vec<Stats>) -> Option<Stats> {
    shards.into_iter().reduce(|mut sum, shard| {
        sum.total += shard.total;
        for (name, stats) in shard.policies {
            *sum.policies.entry(name).or_default() += stats;
        }
        sum
    })
}

fn parse_stats(value: Value) -> Result<Stats, InvalidReply> {
    let mut fields = Fields::from_value(value)?;
    let policies = Fields::from_value(fields.take("policies")?)?;
    Ok(Stats {
        total: counts(&mut fields)?,
        policies: policies
            .into_iter()
            .map(|(name, value)| Ok((name, policy_stats(value)?)))
            .collect::<Result<_, InvalidReply>>()?,
    })
}

fn policy_stats(value: Value) -> Result<PolicyStats, InvalidReply> {
    let mut fields = Fields::from_value(value)?;
    Ok(PolicyStats {
        counts: counts(&mut fields)?,
        denied_by_rule: fields.parse("denied_by_rule")?,
    })
}

fn counts(fields: &mut Fields) -> Result<Counts, InvalidReply> {
    Ok(Counts {
        checks: fields.parse("checks")?,
        allowed: fields.parse("allowed")?,
        denied: fields.parse("denied")?,
        shadow_denied: fields.parse("shadow_denied")?,
        overridden: fields.parse("overridden")?,
        near: fields.parse("near")?,
    })
}

fn ranked(value: Value) -> Result<Ranked, InvalidReply> {
    let (key, count) = reply::parse(value)?;
    Ok(Ranked { key, count })
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::{Counts, PolicyStats, stats};

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn fields(first: i64) -> Vec<(Value, Value)> {
        let names = ["checks", "allowed", "denied", "shadow_denied", "overridden", "near"];
        let counts = (first..).map(Value::Int);
        names.into_iter().map(text).zip(counts).collect()
    }

    fn counts(first: u64) -> Counts {
        Counts {
            checks: first,
            allowed: first + 1,
            denied: first + 2,
            shadow_denied: first + 3,
            overridden: first + 4,
            near: first + 5,
        }
    }

    fn policy(first: i64, denied_by_rule: &[i64]) -> Value {
        let mut policy = fields(first);
        let denied = denied_by_rule.iter().copied().map(Value::Int).collect();
        policy.push((text("denied_by_rule"), Value::Array(denied)));
        Value::Map(policy)
    }

    fn reply(first: i64, policies: Vec<(Value, Value)>) -> Vec<(Value, Value)> {
        let mut reply = fields(first);
        reply.push((text("policies"), Value::Map(policies)));
        reply
    }

    #[test]
    fn unknown_fields_are_ignored_and_missing_ones_are_an_error() {
        let Value::Map(mut gold) = policy(20, &[1, 2]) else { unreachable!() };
        gold.push((text("new"), Value::Array(vec![Value::Nil])));
        let mut reply = reply(10, vec![(text("gold"), Value::Map(gold))]);
        reply.insert(3, (text("newer"), text("text")));

        let parsed = stats().parse(Value::Map(reply.clone())).unwrap();
        assert_eq!(parsed.total, counts(10));
        let gold = PolicyStats { counts: counts(20), denied_by_rule: vec![1, 2] };
        assert_eq!(parsed.policies, [("gold".to_owned(), gold)].into());

        reply.retain(|(name, _)| *name != text("near"));
        let error = stats().parse(Value::Map(reply)).unwrap_err();
        assert!(error.to_string().contains("near is missing"), "{error}");
    }

    #[test]
    fn the_counts_of_shards_are_added_up() {
        let shards = [
            reply(10, vec![(text("gold"), policy(20, &[1, 2])), (text("one"), policy(1, &[7]))]),
            reply(100, vec![(text("gold"), policy(200, &[10, 20, 30]))]),
        ];
        let nodes = ["192.0.2.1:6379", "192.0.2.2:6379"].map(text);
        let replies = nodes.into_iter().zip(shards.map(Value::Map)).collect();
        let sum = stats().parse_result(Ok(Value::Map(replies))).unwrap();
        let twice = |one: u64, other: u64| {
            let mut sum = counts(one);
            sum += counts(other);
            sum
        };
        assert_eq!((sum.total, sum.total.near), (twice(10, 100), 120));
        let gold = PolicyStats { counts: twice(20, 200), denied_by_rule: vec![11, 22, 30] };
        let one = PolicyStats { counts: counts(1), denied_by_rule: vec![7] };
        assert_eq!(sum.policies, [("gold".to_owned(), gold), ("one".to_owned(), one)].into());
    }
}
