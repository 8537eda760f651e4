use ahash::AHashMap;
use ratelog_core::{Cost, Instant, Verdict};

use super::{KEY, RULE};
use crate::config;
use crate::effect::{Effect, Record};
use crate::error::Error;
use crate::reply;
use crate::request::{self, Asked, Bounds};
use crate::ruling::{Ruling, shift_of};
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
        let asked = parse(args, &bounds)?;
        let mut checks = Checks::open(ctx, &asked)?;
        let now = ctx.now();

        let verdicts = checks.decide(now, cost);
        let all = verdicts.iter().all(|verdict| verdict.standing.allowed);
        if all {
            checks.record(ctx, &verdicts, now, cost)?;
        }
        checks.shift(now)?;
        checks.count(&verdicts, now);
        let told = |verdict: &Verdict| if all { verdict.decision() } else { verdict.standing };
        reply::decisions(ctx, verdicts.iter().map(told));
        Ok(())
    }
}

/// Reads `key limit window` or `key POLICY name`, as often as it is given.
fn parse<'a>(args: Args<'a>, bounds: &Bounds) -> Result<Vec<(KeyName<'a>, Asked<'a>)>, Error> {
    let mut asked = Vec::with_capacity(args.len() / 3);
    let mut left = args;
    while let Some((name, mut rest)) = left.split_key() {
        let (Some(first), Some(second)) = (rest.next(), rest.next()) else {
            return Err(Error::Arity);
        };
        asked.push((name, Asked::parse_pair(first, second, bounds)?));
        left = rest;
    }
    Ok(asked)
}

/// The checks of one command, and their keys, each opened once.
struct Checks<'a> {
    /// Each with the place of its key in `keys`.
    rulings: Vec<(usize, Ruling<'a>)>,
    keys: Vec<WriteKey<'a>>,
}

impl<'a> Checks<'a> {
    fn open(ctx: &'a Context<'a>, asked: &'a [(KeyName<'a>, Asked<'a>)]) -> Result<Self, Error> {
        let mut places = AHashMap::<&[u8], usize>::new();
        let mut names = Vec::<KeyName<'_>>::new();
        let mut rulings = Vec::with_capacity(asked.len());
        for &(name, ref asked) in asked {
            let place = *places.entry(name.bytes()).or_insert_with(|| {
                names.push(name);
                names.len() - 1
            });
            rulings.push((place, Ruling::find(ctx, asked)?));
        }
        let keys = names.into_iter().map(|name| WriteKey::open(ctx, name));
        Ok(Self { keys: keys.collect::<Result<_, _>>()?, rulings })
    }

    /// The verdicts, each as if those before it had been recorded.
    fn decide(&mut self, now: Instant, cost: Cost) -> Vec<Verdict> {
        let mut pending = vec![0; self.keys.len()];
        let mut verdicts = Vec::with_capacity(self.rulings.len());
        for (place, ruling) in &self.rulings {
            let (Some(key), Some(pending)) = (self.keys.get_mut(*place), pending.get_mut(*place))
            else {
                continue;
            };
            let verdict = ruling.decide(key, now, *pending + cost.units());
            if verdict.record_for.is_some() {
                *pending = verdict.units;
            }
            verdicts.push(verdict);
        }
        verdicts
    }

    /// Each verdict with its check's ruling and key.
    fn each(
        &mut self,
        verdicts: &[Verdict],
        mut body: impl FnMut(&Verdict, &Ruling<'a>, &mut WriteKey<'a>),
    ) {
        for ((place, ruling), verdict) in self.rulings.iter().zip(verdicts) {
            if let Some(key) = self.keys.get_mut(*place) {
                body(verdict, ruling, key);
            }
        }
    }

    /// Records the units at all keys, as one effect.
    fn record(
        &mut self,
        ctx: &Context<'_>,
        verdicts: &[Verdict],
        now: Instant,
        cost: Cost,
    ) -> Result<(), Error> {
        let mut room = Ok(());
        self.each(verdicts, |verdict, _, key| {
            if verdict.record_for.is_some() && room.is_ok() {
                room = key.admit();
            }
        });
        room?;
        let mut records = Vec::with_capacity(verdicts.len());
        self.each(verdicts, |verdict, _, key| {
            if let Some(window) = verdict.record_for {
                let record = Record { instant: now, cost, window };
                Effect::Record(record).apply(key);
                records.push((key.name(), record));
            }
        });
        if !records.is_empty() {
            ctx.propagate_records(&records);
        }
        Ok(())
    }

    /// Shifts what is ahead of the clock.
    fn shift(&mut self, now: Instant) -> Result<(), Error> {
        for key in &mut self.keys {
            if let Some(shift) = shift_of(key, now) {
                shift.commit(key)?;
            }
        }
        Ok(())
    }

    fn count(&mut self, verdicts: &[Verdict], now: Instant) {
        self.each(verdicts, |verdict, ruling, key| ruling.count(key, verdict, now));
    }
}
