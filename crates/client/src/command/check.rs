use ratelog_core::{Rule, Rules, Window};
use redis::{Cmd, ToRedisArgs, Value, cmd};

use super::{Command, Routing};
use crate::reply::{self, Fault};
use crate::{Check, Checks, Decision, Source, Under};

/// `RL.CHECK`: the decision on `check` at `key`; its units are recorded if it is allowed.
pub fn check<'a>(key: impl AsRef<[u8]>, check: impl Into<Check<'a>>) -> Command<Decision> {
    Command::new(asked("RL.CHECK", key.as_ref(), check.into()), Routing::Primary(1), decision)
}

/// `RL.PEEK`: the decision that [`check`] would come to, recording nothing.
pub fn peek<'a>(key: impl AsRef<[u8]>, check: impl Into<Check<'a>>) -> Command<Decision> {
    Command::new(asked("RL.PEEK", key.as_ref(), check.into()), Routing::Replica(1), decision)
}

/// `RL.MCHECK`: one decision for each key, in their order. The check passed if all are allowed.
#[must_use]
pub fn mcheck(checks: &Checks<'_>) -> Command<Vec<Decision>> {
    let mut words = cmd("RL.MCHECK");
    words.arg(checks.units().units());
    for (key, under) in checks.keys() {
        words.arg(key);
        match under {
            Under::Rules(rule) => add_rule(&mut words, rule),
            Under::Policy(name) => add_policy(&mut words, name.as_str()),
        }
    }
    Command::new(words, Routing::Primary(2), |value| reply::each(value, decision))
}

fn asked(name: &str, key: &[u8], check: Check<'_>) -> Cmd {
    let mut words = cmd(name);
    words.arg(key);
    match check.under() {
        Under::Rules(rules) => add_rules(&mut words, rules),
        Under::Policy(name) => add_policy(&mut words, name.as_str()),
    }
    if check.units() != ratelog_core::Cost::ONE {
        words.arg("COST").arg(check.units().units());
    }
    words
}

fn add_policy(words: &mut Cmd, name: &str) {
    words.arg("POLICY").arg(name);
}

pub(super) fn add_rules(words: &mut Cmd, rules: &Rules) {
    rules.iter().for_each(|rule| add_rule(words, rule));
}

fn add_rule(words: &mut Cmd, rule: Rule) {
    words.arg(rule.limit().units()).arg(Written(rule.window()));
}

/// A window as commands take it.
struct Written(Window);

impl ToRedisArgs for Written {
    fn write_redis_args<W: ?Sized + redis::RedisWrite>(&self, out: &mut W) {
        out.write_arg_fmt(self.0);
    }
}

fn decision(value: Value) -> Result<Decision, Fault> {
    reply::decision(value, Source::Module)
}
