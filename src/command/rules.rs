//! Resolves a check's rules and evaluates it against a key.

use std::rc::Rc;

use ratelog_core::{Cost, Evaluation, Instant, Log, Override, ResolvedRules, RuleSource, Rules};

use crate::config;
use crate::error::Error;
use crate::request;
use crate::server::node::{MONITOR, POLICIES};
use crate::server::{Args, Context, ReadKey, WriteKey};
use crate::state::{Effect, PolicyEntry, Record};

/// The rules of one check: its own rules or those of a policy of this node.
pub type CheckRules<'a> = ResolvedRules<&'a Rules, Rc<PolicyEntry>>;

/// Looks up the policy if `source` names one.
///
/// # Errors
/// [`Error::NoPolicy`] if the policy does not exist.
pub fn resolve<'a>(
    ctx: &Context<'_>,
    source: &'a RuleSource<Rules, &[u8]>,
) -> Result<CheckRules<'a>, Error> {
    match source {
        RuleSource::Rules(rules) => Ok(ResolvedRules::Inline(rules)),
        RuleSource::Policy(name) => POLICIES
            .with(ctx, |policies| policies.get(name))
            .map(ResolvedRules::Policy)
            .ok_or_else(|| Error::NoPolicy((*name).into())),
    }
}

/// Evaluates a check of `units` of `key` at `now`. Changes nothing.
pub fn evaluate(
    rules: &CheckRules<'_>,
    key: &mut WriteKey<'_>,
    now: Instant,
    units: u64,
) -> Evaluation {
    let mut empty = Log::new();
    let (log, key_override) = match key.value() {
        Some(value) => value.log_and_override(now),
        None => (&mut empty, None),
    };
    rules.evaluate(key_override, log, now, units)
}

/// Parses the arguments of a check that changes nothing. Passes its rules, the key's override and log, the time and the
/// units to `decide`.
///
/// # Errors
/// Those of a check.
pub fn read(
    ctx: &Context<'_>,
    args: Args<'_>,
    decide: impl FnOnce(&CheckRules<'_>, Option<&Override>, &Log, Instant, u64),
) -> Result<(), Error> {
    let (name, args) = args.split_key().ok_or(Error::Arity)?;
    let request = request::Check::parse(args, &config::bounds())?;
    let rules = resolve(ctx, &request.rules)?;
    let key = ReadKey::open(ctx, name)?;
    let now = ctx.now();

    let empty = Log::new();
    let (log, key_override) = match key.value() {
        Some(value) => (&value.log, value.live_override(now)),
        None => (&empty, None),
    };
    decide(&rules, key_override, log, now, request.cost.units());
    Ok(())
}

/// Counts a check of `key`. Publishes `rl.denied` if it is the first denied check since an allowed one.
pub fn count(
    rules: &CheckRules<'_>,
    key: &mut WriteKey<'_>,
    evaluation: &Evaluation,
    now: Instant,
) {
    let (ctx, name) = (key.context(), key.name());
    if let ResolvedRules::Policy(entry) = rules {
        entry.count(evaluation);
    }
    let k = config::top_k();
    MONITOR.with(ctx, |monitor| monitor.count(name.bytes(), evaluation, now, k));
    let denied = !evaluation.decision.allowed;
    if key.value().is_some_and(|value| value.meta.is_first_denial(denied)) {
        ctx.notify(c"rl.denied", name);
    }
}

/// Returns the effect of an evaluated check on `key`, or `None` if the check changes nothing.
pub fn effect_of(
    evaluation: &Evaluation,
    key: &mut WriteKey<'_>,
    now: Instant,
    cost: Cost,
) -> Option<Effect> {
    match evaluation.record_for {
        Some(window) => Some(Effect::Record(Record { instant: now, cost, window })),
        None => shift_of(key, now),
    }
}

/// Returns the effect that shifts `key` back to a clock that is behind it, or `None` if the clock is not behind.
pub fn shift_of(key: &mut WriteKey<'_>, now: Instant) -> Option<Effect> {
    let is_ahead = key.value().is_some_and(|value| value.log.is_ahead_of(now));
    is_ahead.then_some(Effect::Shift { instant: now })
}
