//! The oracle: units as a plain list of instants. The code follows the design sentence by sentence.
#![allow(dead_code, reason = "each test binary uses a part of this module")]

use ratelog_core::{Cost, Decision, Rule, Rules};

#[derive(Clone, Default)]
pub struct Naive {
    /// Pairs of an instant and its units, oldest first.
    entries: Vec<(i64, u64)>,
    retention: i64,
}

impl Naive {
    fn shifted(&self, now: i64) -> Vec<(i64, u64)> {
        let back = self.entries.last().map_or(0, |newest| (newest.0 - now).max(0));
        self.entries.iter().map(|(at, units)| (at - back, *units)).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn expires_at(&self) -> Option<i64> {
        self.entries.last().map(|newest| newest.0 + self.retention)
    }

    /// Applies a clock step for a check that is not decided here.
    pub fn shift(&mut self, now: i64) {
        self.entries = self.shifted(now);
    }

    pub fn newest(&self) -> Option<i64> {
        self.entries.last().map(|newest| newest.0)
    }

    pub fn newest_first(&self, now: i64) -> Vec<(i64, u64)> {
        let mut unexpired = self.unexpired(now);
        unexpired.reverse();
        unexpired
    }

    /// Returns the unexpired units at `now`, or at the newest unit if the clock is behind it.
    fn unexpired(&self, now: i64) -> Vec<(i64, u64)> {
        let mut unexpired = self.shifted(now);
        unexpired.retain(|entry| entry.0 > now - self.retention);
        unexpired
    }

    pub fn peek(&self, now: i64, rules: &Rules, cost: Cost) -> Decision {
        let unexpired = self.unexpired(now);
        decide(&unexpired, now, self.retention, rules, cost, &unexpired, self.retention)
    }

    /// Decides and records. After a denied check, only the shift remains.
    pub fn check(&mut self, now: i64, rules: &Rules, cost: Cost) -> Decision {
        let before = self.unexpired(now);
        let retention = self.retention;
        self.entries = self.shifted(now);
        if decide(&before, now, retention, rules, cost, &before, retention).allowed {
            self.record(now, rules, cost);
        }
        decide(&before, now, retention, rules, cost, &self.unexpired(now), self.retention)
    }

    pub fn record(&mut self, now: i64, rules: &Rules, cost: Cost) {
        self.entries = self.shifted(now);
        self.drop_expired(now);
        let window = span(rules.longest_window().millis());
        self.retention = if self.entries.is_empty() { window } else { self.retention.max(window) };
        match self.entries.last_mut() {
            Some(newest) if newest.0 == now => newest.1 += cost.units(),
            _ => self.entries.push((now, cost.units())),
        }
    }

    pub fn refund(&mut self, now: i64, units: u64) -> u64 {
        self.entries = self.shifted(now);
        self.drop_expired(now);
        let mut left = units;
        while let Some((at, recorded)) = self.entries.pop() {
            if recorded > left {
                self.entries.push((at, recorded - left));
                left = 0;
                break;
            }
            left -= recorded;
        }
        units - left
    }

    fn drop_expired(&mut self, now: i64) {
        self.entries.retain(|entry| entry.0 > now - self.retention);
    }
}

fn span(millis: u64) -> i64 {
    i64::try_from(millis).unwrap()
}

fn used(entries: &[(i64, u64)], now: i64, rule: Rule) -> u64 {
    let inside = |at: i64| at > now - span(rule.window().millis()) && at <= now;
    entries.iter().filter(|(at, _)| inside(*at)).map(|(_, units)| units).sum()
}

/// Decides a check on the entries `before`, whose retention is `retention`. The binding rule describes the entries
/// `after` it.
fn decide(
    before: &[(i64, u64)],
    now: i64,
    retention: i64,
    rules: &Rules,
    cost: Cost,
    after: &[(i64, u64)],
    retention_after: i64,
) -> Decision {
    let limit = |rule: Rule| rule.limit().units();
    let retry_after = |rule: Rule| {
        let mut wanted = used(before, now, rule) + cost.units();
        if wanted <= limit(rule) {
            return 0;
        }
        // The decision can change only when an entry leaves the window.
        for (at, units) in before {
            let leaves_in = at + span(rule.window().millis()).min(retention) - now;
            if leaves_in >= 1 {
                wanted -= units;
                if wanted <= limit(rule) {
                    return leaves_in;
                }
            }
        }
        i64::MAX
    };
    let remaining = |rule: Rule| limit(rule).saturating_sub(used(after, now, rule));
    let denied = rules.iter().any(|rule| retry_after(rule) > 0);
    let mut binding = rules.first();
    for rule in rules.iter() {
        let binds = if denied {
            retry_after(rule) > retry_after(binding)
        } else {
            remaining(rule) < remaining(binding)
        };
        if binds {
            binding = rule;
        }
    }
    let retry = retry_after(binding);
    let newest = after.last().map_or(i64::MIN / 2, |newest| newest.0);
    let window = span(binding.window().millis());
    let retained_for = window.min(retention_after);
    Decision {
        allowed: !denied,
        limit: binding.limit(),
        remaining: remaining(binding),
        retry_after: (retry != i64::MAX).then(|| u64::try_from(retry).unwrap()),
        reset_after: u64::try_from((newest + retained_for - now).max(0)).unwrap(),
        window: binding.window(),
    }
}
