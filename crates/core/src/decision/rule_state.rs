use super::Decision;
use crate::log::{Cursor, Log};
use crate::{Instant, Rule};

/// The state of one rule with respect to a check.
pub(super) struct RuleState {
    rule: Rule,
    remaining: u64,
    /// The retry-after in milliseconds. [`NEVER`] sorts last.
    retry_after: u64,
    reset_after: u64,
}

const NEVER: u64 = u64::MAX;

impl RuleState {
    /// Returns the state of `rule` for a check of `units`. `on_cursor` receives the position found in the log.
    pub(super) fn evaluate(
        log: &Log,
        now: Instant,
        rule: Rule,
        units: u64,
        on_cursor: &mut impl FnMut(Option<Cursor>),
    ) -> Self {
        let limit = rule.limit().units();
        let usage = log.usage(now, rule.window());
        on_cursor(usage.cursor);
        let excess = (usage.units + units).saturating_sub(limit);
        let retry_after = if excess == 0 {
            0
        } else if units > limit {
            NEVER
        } else {
            log.time_until_gone(now, &usage, excess)
        };
        Self {
            rule,
            remaining: limit.saturating_sub(usage.units),
            retry_after,
            reset_after: usage.reset_after,
        }
    }

    /// Returns the state of `rule` for a check that is allowed regardless of the rules.
    pub(super) fn allowed(log: &Log, now: Instant, rule: Rule) -> Self {
        let usage = log.usage(now, rule.window());
        let remaining = rule.limit().units().saturating_sub(usage.units);
        Self { rule, remaining, retry_after: 0, reset_after: usage.reset_after }
    }

    /// Returns the binding one of two rules. `other` is the later one.
    pub(super) fn binding(self, other: Self) -> Self {
        let other_binds = if self.retry_after == 0 && other.retry_after == 0 {
            other.remaining < self.remaining
        } else {
            other.retry_after > self.retry_after
        };
        if other_binds { other } else { self }
    }

    pub(super) fn into_decision(self) -> Decision {
        Decision {
            allowed: self.retry_after == 0,
            limit: self.rule.limit(),
            remaining: self.remaining,
            retry_after: (self.retry_after != NEVER).then_some(self.retry_after),
            reset_after: self.reset_after,
            window: self.rule.window(),
        }
    }
}
