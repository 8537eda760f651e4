use ahash::AHashMap;
use ratelog_core::{Cost, Evaluation, Instant, RuleSource, Rules};

use super::commit::{apply, commit};
use super::rules::{CheckRules, count, evaluate, resolve, shift_of};
use super::{KEY, RULE, reply};
use crate::config;
use crate::error::Error;
use crate::request::{self, Bounds, parse_rule_source};
use crate::server::{
    Arg, ArgKind, Args, Command, Context, KeyAccess, KeyName, Keys, Spec, WriteKey,
};
use crate::state::{Effect, Record};

/// `RL.MCHECK cost key limit window|POLICY name [key limit window|POLICY name ...]`
pub struct MCheck;

impl Command for MCheck {
    const SPEC: Spec = Spec {
        name: c"RL.MCHECK",
        flags: c"write",
        acl_categories: c"ratelog write slow",
        arity: -5,
        keys: Keys::Every { first: 2, step: 3, access: KeyAccess::Update },
        tips: Some(c"nondeterministic_output"),
        summary: c"Checks several keys at once. Records the units at all keys or at none.",
        complexity: c"O(K*log(N)) for K keys and N units in a log; commonly O(K).",
        args: &[
            Arg::new(c"cost", ArgKind::Integer),
            Arg::new(
                c"check",
                ArgKind::Block(&[
                    KEY,
                    Arg::new(
                        c"rules",
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
        let requests = parse(args, &bounds)?;
        let now = ctx.now();

        let mut checks = Checks::evaluate(ctx, &requests, now, cost)?;
        let all_allowed = checks.all_allowed();
        if all_allowed {
            checks.record(ctx, now, cost)?;
        }
        checks.shift(now)?;
        checks.count(now);
        let decision = |evaluation: &Evaluation| {
            if all_allowed { evaluation.recorded_decision() } else { evaluation.decision }
        };
        reply::decisions(ctx, checks.evaluated.iter().map(|check| decision(&check.evaluation)));
        Ok(())
    }
}

/// One key of the command and the source of its rules.
type Request<'a> = (KeyName<'a>, RuleSource<Rules, &'a [u8]>);

/// Parses `key limit window` or `key POLICY name`, once for each key.
fn parse<'a>(args: Args<'a>, bounds: &Bounds) -> Result<Vec<Request<'a>>, Error> {
    let (given, max) = (args.len().div_ceil(3), config::max_keys());
    if given > max {
        return Err(Error::TooManyKeys { given, max });
    }
    let mut requests = Vec::with_capacity(given);
    let mut left = args;
    while let Some((name, mut rest)) = left.split_key() {
        let without_rule = || Error::KeyWithoutRule(name.bytes().into());
        let (Some(first), Some(second)) = (rest.next(), rest.next()) else {
            return Err(without_rule());
        };
        let source = parse_rule_source(first, second, bounds).map_err(|error| {
            // A window in place of a limit comes from a second rule of the key before.
            let is_number = first.iter().all(u8::is_ascii_digit);
            match request::parse_window(first, bounds.window) {
                Ok(_) if !is_number => without_rule(),
                _ => error,
            }
        })?;
        requests.push((name, source));
        left = rest;
    }
    Ok(requests)
}

/// The checks of one command and their keys. Each key is opened once.
struct Checks<'a> {
    keys: Vec<Key<'a>>,
    evaluated: Vec<EvaluatedCheck<'a>>,
}

struct Key<'a> {
    key: WriteKey<'a>,
    /// The units that the earlier checks of the command will record at the key.
    pending: u64,
}

struct EvaluatedCheck<'a> {
    /// The index of the check's key in `keys`.
    key: usize,
    rules: CheckRules<'a>,
    evaluation: Evaluation,
}

impl<'a> Checks<'a> {
    /// Evaluates each check as if the checks before it were recorded. Changes nothing.
    fn evaluate(
        ctx: &'a Context<'a>,
        requests: &'a [Request<'a>],
        now: Instant,
        cost: Cost,
    ) -> Result<Self, Error> {
        let mut index = KeyIndex::for_checks(requests.len());
        let mut checks = Self {
            keys: Vec::with_capacity(requests.len()),
            evaluated: Vec::with_capacity(requests.len()),
        };
        for &(name, ref source) in requests {
            let rules = resolve(ctx, source)?;
            let position = index.find(&checks.keys, name);
            if position == checks.keys.len() {
                checks.keys.push(Key { key: WriteKey::open(ctx, name)?, pending: 0 });
            }
            if let Some(Key { key, pending }) = checks.keys.get_mut(position) {
                let evaluation = evaluate(&rules, key, now, *pending + cost.units());
                if evaluation.record_for.is_some() {
                    *pending = evaluation.units;
                }
                checks.evaluated.push(EvaluatedCheck { key: position, rules, evaluation });
            }
        }
        Ok(checks)
    }

    fn all_allowed(&self) -> bool {
        self.evaluated.iter().all(|check| check.evaluation.decision.allowed)
    }

    /// Records the units at all keys as one effect.
    fn record(&mut self, ctx: &Context<'_>, now: Instant, cost: Cost) -> Result<(), Error> {
        for Key { key, pending } in &self.keys {
            if *pending > 0 {
                key.check_memory(false)?;
            }
        }
        let Self { keys, evaluated } = self;
        for check in &*evaluated {
            if let (Some(Key { key, .. }), Some(window)) =
                (keys.get_mut(check.key), check.evaluation.record_for)
            {
                apply(&Effect::Record(Record { instant: now, cost, window }), key);
            }
        }
        let records = evaluated.iter().filter_map(|check| {
            let name = keys.get(check.key)?.key.name();
            Some((name, Record { instant: now, cost, window: check.evaluation.record_for? }))
        });
        ctx.replicate_records(records);
        Ok(())
    }

    /// Shifts the logs that are ahead of the clock.
    fn shift(&mut self, now: Instant) -> Result<(), Error> {
        for Key { key, .. } in &mut self.keys {
            if let Some(shift) = shift_of(key, now) {
                commit(&shift, key)?;
            }
        }
        Ok(())
    }

    fn count(&mut self, now: Instant) {
        for check in &self.evaluated {
            if let Some(Key { key, .. }) = self.keys.get_mut(check.key) {
                count(&check.rules, key, &check.evaluation, now);
            }
        }
    }
}

/// Finds a key that is already open: with a linear search for few checks, and with a hash table otherwise.
enum KeyIndex<'a> {
    Linear,
    Hashed(AHashMap<&'a [u8], usize>),
}

impl<'a> KeyIndex<'a> {
    const MAX_LINEAR: usize = 16;

    fn for_checks(checks: usize) -> Self {
        if checks <= Self::MAX_LINEAR { Self::Linear } else { Self::Hashed(AHashMap::new()) }
    }

    /// Returns the position of the key `name` in `keys`, or their number if the key is new.
    fn find(&mut self, keys: &[Key<'_>], name: KeyName<'a>) -> usize {
        let new = keys.len();
        match self {
            Self::Linear => keys
                .iter()
                .position(|other| other.key.name().bytes() == name.bytes())
                .unwrap_or(new),
            Self::Hashed(positions) => *positions.entry(name.bytes()).or_insert(new),
        }
    }
}
