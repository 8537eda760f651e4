use crate::log::{Cursor, Log};
use crate::{Cost, Decision, Instant, Mode, Rule, Rules, Terms};

/// How one rule stands towards a check.
struct Standing {
    remaining: u64,
    /// Milliseconds; `u64::MAX` for never, which sorts last.
    retry_after: u64,
    reset_after: u64,
}

const NEVER: u64 = u64::MAX;

/// Decides a check of `cost` at `now` and, if it is allowed, records its units.
pub fn check(log: &mut Log, now: Instant, rules: &Rules, cost: Cost) -> Decision {
    let decision = decide(log, now, rules, cost);
    if decision.allowed {
        log.record(now, cost, rules.longest_window());
    } else {
        log.shift(now);
    }
    decision
}

/// The decision of a check of `cost` at `now`, told as after its units are recorded, which is left to
/// the caller: [`Log::record`] if it is allowed, [`Log::shift`] if not.
///
/// The log's value stays as it is; it may remember where the windows begin, for the next check.
pub fn decide(log: &mut Log, now: Instant, rules: &Rules, cost: Cost) -> Decision {
    Terms { rules, mode: Mode::Enforce, overruled_by: None }
        .decide(log, now, cost.units())
        .decision()
}

/// The decision that a check of `cost` would get at `now`, with the log as it stands.
#[must_use]
pub fn peek(log: &Log, now: Instant, rules: &Rules, cost: Cost) -> Decision {
    weigh(log, now, rules, cost.units(), |_| {})
}

/// The decision on `units`, with the log as it stands. `sought` is given what the search found.
pub(crate) fn weigh(
    log: &Log,
    now: Instant,
    rules: &Rules,
    units: u64,
    mut sought: impl FnMut(Option<Cursor>),
) -> Decision {
    let mut rule = rules.first();
    let mut standing = stand(log, now, rule, units, &mut sought);
    for &other in rules.rest() {
        let others = stand(log, now, other, units, &mut sought);
        if others.binds_before(&standing) {
            (rule, standing) = (other, others);
        }
    }
    standing.decision(rule)
}

/// The decision of a check that is allowed whatever the rules say, with the log as it stands.
pub(crate) fn pass(log: &Log, now: Instant, rules: &Rules) -> Decision {
    let passing = |rule: Rule| {
        let usage = log.usage(now, rule.window());
        let remaining = rule.limit().units().saturating_sub(usage.units);
        (rule, Standing { remaining, retry_after: 0, reset_after: usage.reset_after })
    };
    let first = passing(rules.first());
    let (rule, standing) = rules.rest().iter().fold(first, |binding, &rule| {
        let other = passing(rule);
        if other.1.binds_before(&binding.1) { other } else { binding }
    });
    standing.decision(rule)
}

/// An allowed decision as it is told after its `units` are recorded.
pub(crate) fn recorded(decision: Decision, units: u64) -> Decision {
    Decision {
        remaining: decision.remaining.saturating_sub(units),
        reset_after: decision.window.millis(),
        ..decision
    }
}

impl Standing {
    fn decision(self, rule: Rule) -> Decision {
        Decision {
            allowed: self.retry_after == 0,
            limit: rule.limit(),
            remaining: self.remaining,
            retry_after: (self.retry_after != NEVER).then_some(self.retry_after),
            reset_after: self.reset_after,
            window: rule.window(),
        }
    }

    /// Whether this rule, given after `other`, is the binding one of the two.
    fn binds_before(&self, other: &Self) -> bool {
        if self.retry_after == 0 && other.retry_after == 0 {
            self.remaining < other.remaining
        } else {
            self.retry_after > other.retry_after
        }
    }
}

fn stand(
    log: &Log,
    now: Instant,
    rule: Rule,
    units: u64,
    sought: &mut impl FnMut(Option<Cursor>),
) -> Standing {
    let limit = rule.limit().units();
    let usage = log.usage(now, rule.window());
    sought(usage.cursor);
    let excess = (usage.units + units).saturating_sub(limit);
    let retry_after = if excess == 0 {
        0
    } else if units > limit {
        NEVER
    } else {
        log.time_until_gone(now, &usage, excess)
    };
    Standing {
        remaining: limit.saturating_sub(usage.units),
        retry_after,
        reset_after: usage.reset_after,
    }
}
