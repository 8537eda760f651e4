//! The commands for a server without the module: one Lua script over sorted sets, with the module's semantics and
//! replies.
//!
//! It needs Redis 5 or later, or any Valkey. It has no policies, overrides and statistics, which the module stores in
//! the server. A key's log is a sorted set named by the key followed by `:ratelog-log`. So a module that you load later
//! does not read these logs: its counts start at zero.
//!
//! In a cluster, a key with a hash tag keeps its slot. A key without one is in the slot of the longer name, so the keys
//! of [`mcheck`] need a common hash tag.
//!
//! A `RateLimiter` runs these commands itself if the server does not have the module. You can also run them on any
//! connection:
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
use ratelog_core::{Cost, PolicyName, RuleSource, Rules};
use redis::{Cmd, Script, ServerErrorKind, Value, cmd};

use crate::command::{Command, Routing};
use crate::reply::{self, InvalidReply};
use crate::{AsyncCommands, Check, Checks, Decision, Decisions, Error, Source};

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(TEXT));

/// The index of the first key in `EVALSHA hash keys key [key ...]`.
const FIRST_KEY: usize = 3;

/// Decides whether `key` may use the units of `check` now, and records them if it may.
///
/// # Errors
/// [`Error::NeedsModule`] if the check names a policy.
pub fn check<'a>(
    key: impl AsRef<[u8]>,
    check: impl Into<Check<'a>>,
) -> Result<Command<Decision>, Error> {
    let check = check.into();
    Ok(check_rules(key.as_ref(), inline(check.rule_source())?, check.units()))
}

/// The decision that [`check`] would make. Records nothing.
///
/// A replica answers it on a connection of its own; a cluster connection sends it to the primary.
///
/// # Errors
/// [`Error::NeedsModule`] if the check names a policy.
pub fn peek<'a>(
    key: impl AsRef<[u8]>,
    check: impl Into<Check<'a>>,
) -> Result<Command<Decision>, Error> {
    let check = check.into();
    Ok(peek_rules(key.as_ref(), inline(check.rule_source())?, check.units()))
}

/// Checks several keys, all or nothing. Returns one decision per key, in order.
///
/// # Errors
/// [`Error::NeedsModule`] if the check of a key names a policy.
pub fn mcheck(checks: &Checks<'_>) -> Result<Command<Decisions>, Error> {
    let keys = checks.keys().map(|(key, source)| Ok((key, Rules::one(inline(source)?))));
    let keys = keys.collect::<Result<Vec<_>, Error>>()?;
    Ok(mcheck_rules(keys.iter().map(|(key, rules)| (*key, rules)), checks.units()))
}

/// Takes back the newest units, at most `cost`. Returns the units taken back.
pub fn refund(key: impl AsRef<[u8]>, cost: Cost) -> Command<u64> {
    let mut cmd = evalsha([key.as_ref()], "refund");
    cmd.arg(cost.units());
    command(cmd, reply::parse)
}

/// Deletes the key's units. Returns the number of deleted units.
pub fn reset(key: impl AsRef<[u8]>) -> Command<u64> {
    command(evalsha([key.as_ref()], "reset"), reply::parse)
}

/// Loads the script into the server; in a cluster, into each shard's primary.
#[must_use]
pub fn load() -> Command<()> {
    let mut cmd = cmd("SCRIPT");
    cmd.arg("LOAD").arg(TEXT);
    Command::new(cmd, Routing::EveryPrimary, |value| {
        let hash: String = reply::parse(value)?;
        let is_ours = hash == SCRIPT.get_hash();
        is_ours.then_some(()).ok_or_else(|| format!("{hash} is the hash of another script"))
    })
}

/// Whether a command failed because the server does not have the script. A server loses its scripts when it restarts.
#[must_use]
pub fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Redis(error) if error.kind() == ServerErrorKind::NoScript.into())
}

/// Runs a command of this module. If the server does not have the script, loads it and runs the command again.
///
/// # Errors
/// As [`AsyncCommands`].
pub async fn run<T: Send>(
    connection: &mut impl AsyncCommands,
    command: &Command<T>,
) -> Result<T, Error> {
    match connection.rl_query(command).await {
        Err(error) if is_missing(&error) => {
            connection.rl_query(&load()).await?;
            connection.rl_query(command).await
        }
        result => result,
    }
}

pub(crate) fn check_rules(key: &[u8], rules: &Rules, cost: Cost) -> Command<Decision> {
    single("check", key, rules, cost)
}

pub(crate) fn peek_rules(key: &[u8], rules: &Rules, cost: Cost) -> Command<Decision> {
    single("peek", key, rules, cost)
}

pub(crate) fn mcheck_rules<'a>(
    keys: impl Iterator<Item = (&'a [u8], &'a Rules)> + Clone,
    cost: Cost,
) -> Command<Decisions> {
    let mut cmd = evalsha(keys.clone().map(|(key, _)| key), "mcheck");
    cmd.arg(cost.units());
    for (_, rules) in keys {
        add_rules(&mut cmd, rules);
    }
    command(cmd, |value| reply::array(value, decision).map(Decisions::from))
}

fn single(operation: &str, key: &[u8], rules: &Rules, cost: Cost) -> Command<Decision> {
    let mut cmd = evalsha([key], operation);
    cmd.arg(cost.units());
    add_rules(&mut cmd, rules);
    command(cmd, decision)
}

/// The rules of a check that names no policy.
fn inline<R>(source: RuleSource<R, &PolicyName>) -> Result<R, Error> {
    match source {
        RuleSource::Rules(rules) => Ok(rules),
        RuleSource::Policy(_) => Err(Error::NeedsModule("a check under a policy")),
    }
}

fn evalsha<'a>(keys: impl IntoIterator<Item = &'a [u8]>, operation: &str) -> Cmd {
    let logs: Vec<_> = keys.into_iter().map(|key| [key, SUFFIX.as_bytes()].concat()).collect();
    let mut cmd = cmd("EVALSHA");
    cmd.arg(SCRIPT.get_hash()).arg(logs.len()).arg(logs).arg(operation);
    cmd
}

fn add_rules(cmd: &mut Cmd, rules: &Rules) {
    cmd.arg(1 + rules.rest().len());
    for rule in rules.iter() {
        cmd.arg(rule.limit().units()).arg(rule.window().millis());
    }
}

fn command<T>(cmd: Cmd, parse: fn(Value) -> Result<T, InvalidReply>) -> Command<T> {
    Command::new(cmd, Routing::Primary(FIRST_KEY), parse)
}

fn decision(value: Value) -> Result<Decision, InvalidReply> {
    reply::decision(value, Source::Script)
}
