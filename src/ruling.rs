use std::rc::Rc;

use ratelog_core::{Cost, Instant, Log, Mode, Override, Rules, Terms, Verdict};

use crate::config;
use crate::effect::{Effect, Record};
use crate::error::Error;
use crate::node::{MONITOR, POLICIES};
use crate::policies::Kept;
use crate::request::Asked;
use crate::server::{Context, WriteKey};

/// What a check is decided by: the rules that came with it, or those of a policy.
pub enum Ruling<'a> {
    /// Rules that came with the check.
    Inline(&'a Rules),
    /// A policy of the node.
    Policy(Rc<Kept>),
}

impl<'a> Ruling<'a> {
    /// What `asked` stands for.
    ///
    /// # Errors
    /// [`Error::NoPolicy`] if it names a policy that there is not.
    pub fn find(ctx: &Context<'_>, asked: &'a Asked<'_>) -> Result<Self, Error> {
        match asked {
            Asked::Rules(rules) => Ok(Self::Inline(rules)),
            Asked::Policy(name) => POLICIES
                .with(ctx, |policies| policies.get(name))
                .map(Self::Policy)
                .ok_or_else(|| Error::NoPolicy((*name).into())),
        }
    }

    /// The terms of a check of a key that has this override.
    pub fn terms<'b>(&'b self, overruled_by: Option<&'b Override>) -> Terms<'b> {
        match self {
            Self::Inline(rules) => Terms { rules, mode: Mode::Enforce, overruled_by },
            Self::Policy(kept) => {
                let policy = &kept.policy;
                Terms { rules: &policy.rules, mode: policy.mode, overruled_by }
            }
        }
    }

    /// The verdict on `units` of `key` at `now`. Nothing is changed.
    pub fn decide(&self, key: &mut WriteKey<'_>, now: Instant, units: u64) -> Verdict {
        let mut none = Log::new();
        let (log, put) = match key.value() {
            Some(value) => value.parts(now),
            None => (&mut none, None),
        };
        self.terms(put).decide(log, now, units)
    }

    /// Counts a check of `key`, and tells of it if it is the first to be denied since one was allowed.
    pub fn count(&self, key: &mut WriteKey<'_>, verdict: &Verdict, now: Instant) {
        let (ctx, name) = (key.context(), key.name());
        if let Self::Policy(kept) = self {
            kept.count(verdict);
        }
        let k = config::top_k();
        MONITOR.with(ctx, |monitor| monitor.count(name.bytes(), verdict, now, k));
        let denied = !verdict.standing.allowed;
        if key.value().is_some_and(|value| value.notes.is_first_denial(denied)) {
            ctx.notify(c"rl.denied", name);
        }
    }
}

/// What a verdict on a check of `key` does to it; `None` if that is nothing.
pub fn effect_of(
    verdict: &Verdict,
    key: &mut WriteKey<'_>,
    now: Instant,
    cost: Cost,
) -> Option<Effect> {
    match verdict.record_for {
        Some(window) => Some(Effect::Record(Record { instant: now, cost, window })),
        None => shift_of(key, now),
    }
}

/// The shift of `key` to a clock that is behind it; `None` if it is not.
pub fn shift_of(key: &mut WriteKey<'_>, now: Instant) -> Option<Effect> {
    let is_ahead = key.value().is_some_and(|value| value.log.is_ahead_of(now));
    is_ahead.then_some(Effect::Shift { instant: now })
}
