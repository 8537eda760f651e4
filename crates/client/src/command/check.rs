use ratelog_core::{Cost, PolicyName, Rule, RuleSource, Rules, Window};
use redis::{Cmd, ToRedisArgs, Value, cmd};

use super::{Command, Routing};
use crate::reply::{self, InvalidReply};
use crate::{Check, Checks, Decision, Decisions, Source};

/// `RL.CHECK`: decides whether `key` may use the units of `check` now, and records them if it may.
pub fn check<'a>(key: impl AsRef<[u8]>, check: impl Into<Check<'a>>) -> Command<Decision> {
    Command::new(single("RL.CHECK", key.as_ref(), check.into()), Routing::Primary(1), decision)
}

/// `RL.PEEK`: the decision that [`check`] would make. Records nothing.
pub fn peek<'a>(key: impl AsRef<[u8]>, check: impl Into<Check<'a>>) -> Command<Decision> {
    Command::new(single("RL.PEEK", key.as_ref(), check.into()), Routing::Replica(1), decision)
}

/// `RL.MCHECK`: one decision per key, in order. The units are recorded if all are allowed.
#[must_use]
pub fn mcheck(checks: &Checks<'_>) -> Command<Decisions> {
    let mut cmd = cmd("RL.MCHECK");
    cmd.arg(checks.units().units());
    for (key, rule_source) in checks.keys() {
        cmd.arg(key);
        match rule_source {
            RuleSource::Rules(rule) => add_rule(&mut cmd, rule),
            RuleSource::Policy(name) => add_policy(&mut cmd, name),
        }
    }
    Command::new(cmd, Routing::Primary(2), |value| {
        reply::array(value, decision).map(Decisions::from)
    })
}

pub(super) fn single(name: &str, key: &[u8], check: Check<'_>) -> Cmd {
    let mut cmd = cmd(name);
    cmd.arg(key);
    match check.rule_source() {
        RuleSource::Rules(rules) => add_rules(&mut cmd, rules),
        RuleSource::Policy(name) => add_policy(&mut cmd, name),
    }
    if check.units() != Cost::ONE {
        cmd.arg("COST").arg(check.units().units());
    }
    cmd
}

fn add_policy(cmd: &mut Cmd, name: &PolicyName) {
    cmd.arg("POLICY").arg(name.as_str());
}

pub(super) fn add_rules(cmd: &mut Cmd, rules: &Rules) {
    rules.iter().for_each(|rule| add_rule(cmd, rule));
}

fn add_rule(cmd: &mut Cmd, rule: Rule) {
    cmd.arg(rule.limit().units()).arg(WindowArg(rule.window()));
}

struct WindowArg(Window);

impl ToRedisArgs for WindowArg {
    fn write_redis_args<W: ?Sized + redis::RedisWrite>(&self, out: &mut W) {
        out.write_arg_fmt(self.0);
    }
}

pub(super) fn decision(value: Value) -> Result<Decision, InvalidReply> {
    reply::decision(value, Source::Module)
}
