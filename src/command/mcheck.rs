use ahash::AHashMap;
use ratelog_core::{Cost, Evaluation, Instant, RuleSource, Rules};

use super::rules::{CheckRules, count, evaluate, resolve, shift_of};
use super::{KEY, RULE};
use crate::config;
use crate::effect::{Effect, Record};
use crate::error::Error;
use crate::reply;
use crate::request::{self, Bounds, parse_rule_source};
use crate::server::{
    Arg, ArgKind, Args, Command, Context, KeyAccess, KeyName, Keys, Spec, WriteKey,
};

/// `RL.MCHECK cost key limit window|POLICY name [key limit window|POLICY name ...]`
pub struct MCheck;

impl Command for MCheck {
    const SPEC: Spec = Spec {
        name: c"RL.MCHECK",
        flags: c"write",
        acl_categories: c"ratelog write slow",
        arity: -5,
        keys: Keys::Every { first: 2, step: 3, access: KeyAccess::Update },
        summary: c"Checks several keys at once; records the units at all of them or at none.",
        complexity: c"O(K*log(N)) for K keys and N units in a log; commonly O(K).",
        args: &[
            Arg::new(c"cost", ArgKind::Integer),
            Arg::new(
                c"check",
                ArgKind::Block(&[
                    KEY,
                    Arg::new(
                        c"terms",
                        ArgKind::OneOf(&[
                            RULE,
                            Arg::new(c"policy", ArgKind::String).after(c"POLICY"),
                        ]),
                    ),
                ]),
            )
            .repeated(),
        ],
        ..Spec::COMMON
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let bounds = config::bounds();
        let mut args = args;
        let cost = request::parse_cost("cost", args.next().ok_or(Error::Arity)?, &bounds)?;
        let source = parse(args, &bounds)?;
        let now = ctx.now();

        let mut checks = Checks::decide(ctx, &source, now, cost)?;
        let all = checks.are_all_allowed();
        if all {
            checks.record(ctx, now, cost)?;
        }
        checks.shift(now)?;
        checks.count(now);
        let told = |evaluation: &Evaluation| {
            if all { evaluation.recorded_decision() } else { evaluation.decision }
        };
        reply::decisions(ctx, checks.decided.iter().map(|check| told(&check.evaluation)));
        Ok(())
    }
}

/// Reads `key limit window` or `key POLICY name`, as often as it is given.
fn parse<'a>(
    args: Args<'a>,
    bounds: &Bounds,
) -> Result<Vec<(KeyName<'a>, RuleSource<Rules, &'a [u8]>)>, Error> {
    let mut source = Vec::with_capacity(args.len() / 3);
    let mut left = args;
    while let Some((name, mut rest)) = left.split_key() {
        let (Some(first), Some(second)) = (rest.next(), rest.next()) else {
            return Err(Error::Arity);
        };
        source.push((name, parse_rule_source(first, second, bounds)?));
        left = rest;
    }
    Ok(source)
}

/// The checks of one command, and their keys, each opened once.
struct Checks<'a> {
    keys: Vec<Key<'a>>,
    decided: Vec<Decided<'a>>,
}

struct Key<'a> {
    key: WriteKey<'a>,
    /// Units of the checks so far that are to be recorded at it.
    pending: u64,
}

struct Decided<'a> {
    /// Where in `keys` its key is.
    place: usize,
    rules: CheckRules<'a>,
    evaluation: Evaluation,
}

impl<'a> Checks<'a> {
    /// Decides each check as if those before it had been recorded. Nothing is changed.
    fn decide(
        ctx: &'a Context<'a>,
        source: &'a [(KeyName<'a>, RuleSource<Rules, &'a [u8]>)],
        now: Instant,
        cost: Cost,
    ) -> Result<Self, Error> {
        let mut places = Places::of(source.len());
        let mut checks = Self {
            keys: Vec::with_capacity(source.len()),
            decided: Vec::with_capacity(source.len()),
        };
        for &(name, ref source) in source {
            let rules = resolve(ctx, source)?;
            let place = places.find(&checks.keys, name);
            if place == checks.keys.len() {
                checks.keys.push(Key { key: WriteKey::open(ctx, name)?, pending: 0 });
            }
            if let Some(Key { key, pending }) = checks.keys.get_mut(place) {
                let evaluation = evaluate(&rules, key, now, *pending + cost.units());
                if evaluation.record_for.is_some() {
                    *pending = evaluation.units;
                }
                checks.decided.push(Decided { place, rules, evaluation });
            }
        }
        Ok(checks)
    }

    fn are_all_allowed(&self) -> bool {
        self.decided.iter().all(|check| check.evaluation.decision.allowed)
    }

    /// Records the units at all keys, as one effect.
    fn record(&mut self, ctx: &Context<'_>, now: Instant, cost: Cost) -> Result<(), Error> {
        for Key { key, pending } in &self.keys {
            if *pending > 0 {
                key.admit()?;
            }
        }
        let Self { keys, decided } = self;
        for Decided { place, evaluation, .. } in &*decided {
            if let (Some(Key { key, .. }), Some(window)) =
                (keys.get_mut(*place), evaluation.record_for)
            {
                Effect::Record(Record { instant: now, cost, window }).apply(key);
            }
        }
        let records = decided.iter().filter_map(|check| {
            let name = keys.get(check.place)?.key.name();
            Some((name, Record { instant: now, cost, window: check.evaluation.record_for? }))
        });
        ctx.propagate_records(records);
        Ok(())
    }

    /// Shifts what is ahead of the clock.
    fn shift(&mut self, now: Instant) -> Result<(), Error> {
        for Key { key, .. } in &mut self.keys {
            if let Some(shift) = shift_of(key, now) {
                shift.commit(key)?;
            }
        }
        Ok(())
    }

    fn count(&mut self, now: Instant) {
        for Decided { place, rules, evaluation } in &self.decided {
            if let Some(Key { key, .. }) = self.keys.get_mut(*place) {
                count(rules, key, evaluation, now);
            }
        }
    }
}

/// Finds a key that was opened before: among a few by looking at each.
enum Places<'a> {
    Few,
    Many(AHashMap<&'a [u8], usize>),
}

impl<'a> Places<'a> {
    const FEW: usize = 16;

    fn of(checks: usize) -> Self {
        if checks <= Self::FEW { Self::Few } else { Self::Many(AHashMap::new()) }
    }

    /// Where in `keys` the key `name` is; behind the last if it is new.
    fn find(&mut self, keys: &[Key<'_>], name: KeyName<'a>) -> usize {
        let new = keys.len();
        match self {
            Self::Few => keys
                .iter()
                .position(|other| other.key.name().bytes() == name.bytes())
                .unwrap_or(new),
            Self::Many(places) => *places.entry(name.bytes()).or_insert(new),
        }
    }
}
