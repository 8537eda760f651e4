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
}

/// Counts of a server's checks; in a cluster, summed over all primaries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The counts of all checks.
    pub total: Counts,
    /// The counts of each policy, by name.
    pub policies: BTreeMap<String, Counts>,
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
    }
}

fn sum(shards: Vec<Stats>) -> Option<Stats> {
    shards.into_iter().reduce(|mut sum, shard| {
        sum.total += shard.total;
        for (name, counts) in shard.policies {
            *sum.policies.entry(name).or_default() += counts;
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
            .map(|(name, value)| Ok((name, counts(&mut Fields::from_value(value)?)?)))
            .collect::<Result<_, InvalidReply>>()?,
    })
}

fn counts(fields: &mut Fields) -> Result<Counts, InvalidReply> {
    Ok(Counts {
        checks: fields.parse("checks")?,
        allowed: fields.parse("allowed")?,
        denied: fields.parse("denied")?,
        shadow_denied: fields.parse("shadow_denied")?,
        overridden: fields.parse("overridden")?,
    })
}

fn ranked(value: Value) -> Result<Ranked, InvalidReply> {
    let (key, count) = reply::parse(value)?;
    Ok(Ranked { key, count })
}
