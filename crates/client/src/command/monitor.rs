use std::collections::BTreeMap;

use redis::{Value, cmd};

use super::{Command, Routing};
use crate::reply::{self, Fault, Fields};

/// How checks ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// All of them.
    pub checks: u64,
    /// Those answered as allowed.
    pub allowed: u64,
    /// Those answered as denied.
    pub denied: u64,
    /// Those answered as allowed that a shadow policy would have denied.
    pub shadow_denied: u64,
    /// Those decided by an override.
    pub overridden: u64,
}

/// How a server's checks ended, or those of all primaries of a cluster together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// In all.
    pub total: Counts,
    /// Under each policy, by its name.
    pub policies: BTreeMap<String, Counts>,
}

/// What `RL.TOP` ranks keys by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranking {
    /// Their denied checks.
    Denied,
    /// All their checks.
    Checked,
}

/// A key, and about how many checks of these minutes asked about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ranked {
    /// The key.
    pub key: Vec<u8>,
    /// The estimated count.
    pub count: u64,
}

/// `RL.STATS`: how checks ended; in a cluster, those of all primaries together.
#[must_use]
pub fn stats() -> Command<Stats> {
    Command::new(cmd("RL.STATS"), Routing::EveryPrimary, read_stats).merged_by(sum)
}

/// `RL.STATS RESET`: the same, and begins at zero.
#[must_use]
pub fn reset_stats() -> Command<Stats> {
    let mut words = cmd("RL.STATS");
    words.arg("RESET");
    Command::new(words, Routing::EveryPrimary, read_stats).merged_by(sum)
}

/// `RL.TOP`: the keys that most checks ask about, heaviest first; at most `count` of each shard.
#[must_use]
pub fn top(ranking: Ranking, count: u32) -> Command<Vec<Ranked>> {
    let mut words = cmd("RL.TOP");
    words.arg(match ranking {
        Ranking::Denied => "DENIED",
        Ranking::Checked => "CHECKED",
    });
    words.arg("COUNT").arg(count);
    Command::new(words, Routing::EveryPrimary, |value| reply::each(value, ranked)).merged_by(
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

fn read_stats(value: Value) -> Result<Stats, Fault> {
    let mut fields = Fields::of(value)?;
    let policies = Fields::of(fields.value("policies")?)?;
    Ok(Stats {
        total: counts(&mut fields)?,
        policies: policies
            .into_names()
            .map(|(name, value)| Ok((name, counts(&mut Fields::of(value)?)?)))
            .collect::<Result<_, Fault>>()?,
    })
}

fn counts(fields: &mut Fields) -> Result<Counts, Fault> {
    Ok(Counts {
        checks: fields.take("checks")?,
        allowed: fields.take("allowed")?,
        denied: fields.take("denied")?,
        shadow_denied: fields.take("shadow_denied")?,
        overridden: fields.take("overridden")?,
    })
}

fn ranked(value: Value) -> Result<Ranked, Fault> {
    let (key, count) = reply::take(value)?;
    Ok(Ranked { key, count })
}
