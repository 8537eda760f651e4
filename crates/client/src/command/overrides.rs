use std::time::Duration;

use ratelog_core::{Action, Rules};
use redis::{Value, cmd};

use super::check::add_rules;
use super::{Command, Routing};
use crate::reply::{self, Fault, Fields};

/// What an operator puts on one key, in place of what its rules say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// What becomes of the key's checks.
    pub action: Action,
    /// The time until it ends, in whole milliseconds; `None` if it stays.
    pub ttl: Option<Duration>,
}

impl Override {
    /// Every check is allowed, and records nothing.
    pub const ALLOW: Self = Self { action: Action::Allow, ttl: None };
    /// Every check is denied.
    pub const DENY: Self = Self { action: Action::Deny, ttl: None };

    /// Checks are decided by `rules` in place of the caller's.
    #[must_use]
    pub const fn limit(rules: Rules) -> Self {
        Self { action: Action::Limit(rules), ttl: None }
    }

    /// The same override for `ttl`, rounded down to whole milliseconds; the server refuses zero.
    #[must_use]
    pub fn lasting(self, ttl: Duration) -> Self {
        Self { ttl: Some(ttl), ..self }
    }
}

/// An override, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedOverride {
    /// The key.
    pub key: Vec<u8>,
    /// The number of its database.
    pub database: u32,
    /// What is on it.
    pub key_override: Override,
}

/// `RL.OVERRIDE SET`: puts an override on the key, in place of one it has.
pub fn set_override(key: impl AsRef<[u8]>, put: &Override) -> Command<()> {
    let mut words = cmd("RL.OVERRIDE");
    words.arg("SET").arg(key.as_ref());
    match &put.action {
        Action::Allow => words.arg("ALLOW"),
        Action::Deny => words.arg("DENY"),
        Action::Limit(rules) => {
            words.arg("LIMIT");
            add_rules(&mut words, rules);
            &mut words
        }
    };
    if let Some(ttl) = put.ttl {
        words.arg("PX").arg(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
    }
    Command::new(words, Routing::Primary(2), reply::take)
}

/// `RL.OVERRIDE GET`: what holds on the key, if anything.
pub fn get_override(key: impl AsRef<[u8]>) -> Command<Option<Override>> {
    let mut words = cmd("RL.OVERRIDE");
    words.arg("GET").arg(key.as_ref());
    Command::new(words, Routing::Replica(2), |value| reply::optional(value, read))
}

/// `RL.OVERRIDE DEL`: takes the override away; units stay. Answers whether one held.
pub fn del_override(key: impl AsRef<[u8]>) -> Command<bool> {
    let mut words = cmd("RL.OVERRIDE");
    words.arg("DEL").arg(key.as_ref());
    Command::new(words, Routing::Primary(2), reply::take)
}

/// `RL.OVERRIDE LIST`: the overrides that hold, on every shard of a cluster; all of them, or each node's first `count`.
#[must_use]
pub fn list_overrides(count: Option<u32>) -> Command<Vec<ListedOverride>> {
    let mut words = cmd("RL.OVERRIDE");
    words.arg("LIST");
    if let Some(count) = count {
        words.arg("COUNT").arg(count);
    }
    Command::new(words, Routing::EveryPrimary, |value| reply::each(value, listed))
        .merged_by(|shards| Some(shards.concat()))
}

fn listed(value: Value) -> Result<ListedOverride, Fault> {
    let mut fields = Fields::of(value)?;
    let (key, database) = (fields.take("key")?, fields.take("database")?);
    Ok(ListedOverride { key, database, key_override: from_fields(fields)? })
}

pub(super) fn read(value: Value) -> Result<Override, Fault> {
    from_fields(Fields::of(value)?)
}

fn from_fields(mut fields: Fields) -> Result<Override, Fault> {
    let rules = reply::rules(fields.value("rules")?)?;
    let action = match (fields.take::<String>("action")?.as_str(), rules) {
        ("allow", None) => Action::Allow,
        ("deny", None) => Action::Deny,
        ("limit", Some(rules)) => Action::Limit(rules),
        (other, _) => return Err(format!("action '{other}' with these rules is not known")),
    };
    let ttl = match fields.take::<i64>("ttl_ms")? {
        -1 => None,
        millis => {
            let millis = u64::try_from(millis).map_err(|_| format!("ttl_ms is {millis}"))?;
            Some(Duration::from_millis(millis))
        }
    };
    Ok(Override { action, ttl })
}
