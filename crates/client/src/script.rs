//! The commands of a server without the module: one Lua script over sorted sets, with the module's semantics and
//! answers.
//!
//! It needs Redis 5 or any Valkey. What the module keeps in the server besides the logs (policies, overrides,
//! statistics) is not there. A key's log is a sorted set under the key's name and `:ratelog-log`, so that a module
//! loaded later does not meet it: its counts begin at zero. A hash tag keeps its slot in a cluster; keys without one are
//! each in the slot of the longer name, so those of [`mcheck`] need one.
//!
//! A `RateLimiter` runs these commands by itself where that is its backend. Any connection runs them too:
//!
//! ```no_run
//! use ratelog_client::{Rules, script};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let rules: Rules = "100/minute".parse()?;
//! let client = redis::Client::open("redis://127.0.0.1/")?;
//! let mut db = client.get_multiplexed_async_connection().await?;
//! let decision = script::run(&mut db, &script::check("user:42", &rules)?).await?;
//! println!("{} left", decision.remaining());
//! # Ok(())
//! # }
//! ```

use std::sync::LazyLock;

use ratelog_client_core::script::{SUFFIX, TEXT};
use ratelog_core::{Cost, Rules};
use redis::{Cmd, Script, ServerErrorKind, Value, cmd};

use crate::command::{Command, Routing};
use crate::reply::{self, Fault};
use crate::{AsyncCommands, Check, Checks, Decision, Error, Source, Under};

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(TEXT));

/// Where the first key stands in `EVALSHA hash keys key [key ...]`.
const FIRST_KEY: usize = 3;

/// The decision on `check` at `key`; its units are recorded if it is allowed.
///
/// # Errors
/// [`Error::NeedsModule`] if the check is under a policy.
pub fn check<'a>(
    key: impl AsRef<[u8]>,
    check: impl Into<Check<'a>>,
) -> Result<Command<Decision>, Error> {
    decided("check", key.as_ref(), check.into())
}

/// The decision that [`check`] would come to, recording nothing.
///
/// A replica answers it, if the connection is to one. A cluster's connection asks the primary.
///
/// # Errors
/// [`Error::NeedsModule`] if the check is under a policy.
pub fn peek<'a>(
    key: impl AsRef<[u8]>,
    check: impl Into<Check<'a>>,
) -> Result<Command<Decision>, Error> {
    decided("peek", key.as_ref(), check.into())
}

/// One decision for each key, in their order. The check passed if all are allowed.
///
/// # Errors
/// [`Error::NeedsModule`] if a key is checked under a policy.
pub fn mcheck(checks: &Checks<'_>) -> Result<Command<Vec<Decision>>, Error> {
    let with_rules = |(key, under)| Ok((key, Rules::one(rules_of(under)?)));
    let keys = checks.keys().map(with_rules).collect::<Result<Vec<_>, Error>>()?;
    Ok(mcheck_rules(keys.iter().map(|(key, rules)| (*key, rules)), checks.units()))
}

/// The same, by the rules of each key.
pub(crate) fn mcheck_rules<'a>(
    keys: impl Iterator<Item = (&'a [u8], &'a Rules)> + Clone,
    cost: Cost,
) -> Command<Vec<Decision>> {
    let mut words = call(keys.clone().map(|(key, _)| key), "mcheck");
    words.arg(cost.units());
    for (_, rules) in keys {
        add_rules(&mut words, rules);
    }
    command(words, |value| reply::each(value, decision))
}

/// Takes the newest units back, as many as `cost`. Answers how many there were to take.
pub fn refund(key: impl AsRef<[u8]>, cost: Cost) -> Command<u64> {
    let mut words = call([key.as_ref()], "refund");
    words.arg(cost.units());
    command(words, reply::take)
}

/// Forgets the key's units. Answers how many there were.
pub fn reset(key: impl AsRef<[u8]>) -> Command<u64> {
    command(call([key.as_ref()], "reset"), reply::take)
}

/// Gives the server the script; in a cluster, each shard's primary.
#[must_use]
pub fn load() -> Command<()> {
    let mut words = cmd("SCRIPT");
    words.arg("LOAD").arg(TEXT);
    Command::new(words, Routing::EveryPrimary, |value| {
        let hash: String = reply::take(value)?;
        let is_ours = hash == SCRIPT.get_hash();
        is_ours.then_some(()).ok_or_else(|| format!("{hash} is the hash of another script"))
    })
}

/// Whether a command failed because the server does not have the script: never had, or forgot it.
#[must_use]
pub fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Redis(error) if error.kind() == ServerErrorKind::NoScript.into())
}

/// Runs a command of this module, and gives the server the script first where it does not have it.
///
/// # Errors
/// As of every method of [`AsyncCommands`].
pub async fn run<T: Send>(
    connection: &mut impl AsyncCommands,
    command: &Command<T>,
) -> Result<T, Error> {
    match connection.rl_query(command).await {
        Err(error) if is_missing(&error) => {
            connection.rl_query(&load()).await?;
            connection.rl_query(command).await
        }
        answer => answer,
    }
}

fn decided(operation: &str, key: &[u8], check: Check<'_>) -> Result<Command<Decision>, Error> {
    let mut words = call([key], operation);
    words.arg(check.units().units());
    add_rules(&mut words, rules_of(check.under())?);
    Ok(command(words, decision))
}

fn rules_of<R>(under: Under<'_, R>) -> Result<R, Error> {
    match under {
        Under::Rules(rules) => Ok(rules),
        Under::Policy(_) => Err(Error::NeedsModule("a check under a policy")),
    }
}

fn call<'a>(keys: impl IntoIterator<Item = &'a [u8]>, operation: &str) -> Cmd {
    let names: Vec<_> = keys.into_iter().map(|key| [key, SUFFIX.as_bytes()].concat()).collect();
    let mut words = cmd("EVALSHA");
    words.arg(SCRIPT.get_hash()).arg(names.len()).arg(names).arg(operation);
    words
}

fn add_rules(words: &mut Cmd, rules: &Rules) {
    words.arg(1 + rules.rest().len());
    for rule in rules.iter() {
        words.arg(rule.limit().units()).arg(rule.window().millis());
    }
}

fn command<T>(words: Cmd, read: fn(Value) -> Result<T, Fault>) -> Command<T> {
    Command::new(words, Routing::Primary(FIRST_KEY), read)
}

fn decision(value: Value) -> Result<Decision, Fault> {
    reply::decision(value, Source::Script)
}
