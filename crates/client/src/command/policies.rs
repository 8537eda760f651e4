use ratelog_core::{Mode, Policy, PolicyName};
use redis::{Value, cmd};

use super::check::add_rules;
use super::{Command, Routing};
use crate::reply::{self, Fault, Fields};

/// `RL.POLICY SET`: keeps the policy by its name, on every shard of a cluster.
#[must_use]
pub fn set_policy(name: &PolicyName, policy: &Policy) -> Command<()> {
    let mut words = cmd("RL.POLICY");
    words.arg("SET").arg(name.as_str());
    if policy.mode == Mode::Shadow {
        words.arg("SHADOW");
    }
    add_rules(&mut words, &policy.rules);
    Command::new(words, Routing::EveryPrimary, reply::take)
}

/// `RL.POLICY GET`: the policy of that name, if there is one.
#[must_use]
pub fn get_policy(name: &PolicyName) -> Command<Option<Policy>> {
    let mut words = cmd("RL.POLICY");
    words.arg("GET").arg(name.as_str());
    Command::new(words, Routing::Any, |value| reply::optional(value, policy))
}

/// `RL.POLICY DEL`: forgets the policy, on every shard of a cluster. Answers whether there was one.
#[must_use]
pub fn del_policy(name: &PolicyName) -> Command<bool> {
    let mut words = cmd("RL.POLICY");
    words.arg("DEL").arg(name.as_str());
    Command::new(words, Routing::EveryPrimary, reply::take)
        .merged_by(|shards| Some(shards.contains(&true)))
}

/// `RL.POLICY LIST`: the names, in the order of their bytes.
#[must_use]
pub fn list_policies() -> Command<Vec<PolicyName>> {
    let mut words = cmd("RL.POLICY");
    words.arg("LIST");
    Command::new(words, Routing::Any, |value| reply::each(value, name))
}

/// `RL.POLICY EXPORT`: all policies as JSON.
#[must_use]
pub fn export_policies() -> Command<String> {
    let mut words = cmd("RL.POLICY");
    words.arg("EXPORT");
    Command::new(words, Routing::Any, reply::take)
}

/// `RL.POLICY IMPORT`: replaces all policies by those in `json`, on every shard of a cluster; each shard takes all of
/// them or none.
#[must_use]
pub fn import_policies(json: &str) -> Command<()> {
    let mut words = cmd("RL.POLICY");
    words.arg("IMPORT").arg(json);
    Command::new(words, Routing::EveryPrimary, reply::take)
}

fn name(value: Value) -> Result<PolicyName, Fault> {
    let name: String = reply::take(value)?;
    PolicyName::parse(name.as_bytes()).ok_or_else(|| format!("'{name}' is no policy's name"))
}

fn policy(value: Value) -> Result<Policy, Fault> {
    let mut fields = Fields::of(value)?;
    let mode = match fields.take::<String>("mode")?.as_str() {
        "enforce" => Mode::Enforce,
        "shadow" => Mode::Shadow,
        other => return Err(format!("mode '{other}' is not known")),
    };
    let rules = reply::rules(fields.value("rules")?)?.ok_or("a policy without rules")?;
    Ok(Policy { rules, mode })
}
