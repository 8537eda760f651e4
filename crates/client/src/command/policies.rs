use ratelog_core::{Mode, Policy, PolicyName};
use redis::{Value, cmd};

use super::check::add_rules;
use super::{Command, Routing};
use crate::reply::{self, Fields, InvalidReply};

/// `RL.POLICY SET`: stores a policy, on every shard of a cluster.
#[must_use]
pub fn set_policy(name: &PolicyName, policy: &Policy) -> Command<()> {
    let mut cmd = cmd("RL.POLICY");
    cmd.arg("SET").arg(name.as_str());
    if policy.mode == Mode::Shadow {
        cmd.arg("SHADOW");
    }
    add_rules(&mut cmd, &policy.rules);
    Command::new(cmd, Routing::EveryPrimary, reply::parse)
}

/// `RL.POLICY GET`: the policy of this name, if there is one.
#[must_use]
pub fn get_policy(name: &PolicyName) -> Command<Option<Policy>> {
    let mut cmd = cmd("RL.POLICY");
    cmd.arg("GET").arg(name.as_str());
    Command::new(cmd, Routing::Any, |value| reply::optional(value, policy))
}

/// `RL.POLICY DEL`: deletes a policy, on every shard of a cluster. Returns whether any shard had it. A shard that has
/// received the deletion from another one no longer has it.
#[must_use]
pub fn del_policy(name: &PolicyName) -> Command<bool> {
    let mut cmd = cmd("RL.POLICY");
    cmd.arg("DEL").arg(name.as_str());
    Command::new(cmd, Routing::EveryPrimary, reply::parse)
        .merge_with(|shards| Some(shards.contains(&true)))
}

/// `RL.POLICY LIST`: the names of all policies, in byte order.
#[must_use]
pub fn list_policies() -> Command<Vec<PolicyName>> {
    let mut cmd = cmd("RL.POLICY");
    cmd.arg("LIST");
    Command::new(cmd, Routing::Any, |value| reply::array(value, name))
}

/// `RL.POLICY EXPORT`: all policies as JSON.
#[must_use]
pub fn export_policies() -> Command<String> {
    let mut cmd = cmd("RL.POLICY");
    cmd.arg("EXPORT");
    Command::new(cmd, Routing::Any, reply::parse)
}

/// `RL.POLICY IMPORT`: replaces all policies by those in `json`, on every shard of a cluster; each shard takes all of
/// them or none.
#[must_use]
pub fn import_policies(json: &str) -> Command<()> {
    let mut cmd = cmd("RL.POLICY");
    cmd.arg("IMPORT").arg(json);
    Command::new(cmd, Routing::EveryPrimary, reply::parse)
}

fn name(value: Value) -> Result<PolicyName, InvalidReply> {
    let name: String = reply::parse(value)?;
    PolicyName::parse(name.as_bytes()).ok_or_else(|| format!("'{name}' is not a policy's name"))
}

fn policy(value: Value) -> Result<Policy, InvalidReply> {
    let mut fields = Fields::from_value(value)?;
    let mode = match fields.parse::<String>("mode")?.as_str() {
        "enforce" => Mode::Enforce,
        "shadow" => Mode::Shadow,
        other => return Err(format!("mode '{other}' is unknown")),
    };
    let rules = reply::rules(fields.take("rules")?)?.ok_or("the policy has no rules")?;
    Ok(Policy { rules, mode })
}
