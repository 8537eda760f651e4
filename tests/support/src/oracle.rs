//! A naive implementation of the semantics: a list of instants, with loops over it.

use super::Decision;

#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub limit: i64,
    pub window_ms: i64,
}

/// One key's units: one instant per unit, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    instants: Vec<i64>,
    retention_ms: i64,
}

impl Oracle {
    /// Returns the reply of a peek at `now`.
    pub fn peek(&self, now: i64, rules: &[Rule], cost: i64) -> Decision {
        let decisions = rules.iter().map(|rule| self.decide(now, *rule, cost));
        binding(&decisions.collect::<Vec<_>>())
    }

    /// Returns the reply of a check at `now`, and records the units if they are allowed.
    pub fn check(&mut self, now: i64, rules: &[Rule], cost: i64) -> Decision {
        let decision = self.peek(now, rules, cost);
        if !decision.allowed {
            return decision;
        }
        self.instants = self.unexpired(now);
        self.instants.extend((0..cost).map(|_| now));
        let longest = rules.iter().map(|rule| rule.window_ms).max();
        self.retention_ms = self.retention_ms.max(longest.expect("a check has a rule"));
        let allowed = |rule: &Rule| Decision {
            allowed: true,
            retry_after_ms: 0,
            ..self.decide(now, *rule, 1)
        };
        binding(&rules.iter().map(allowed).collect::<Vec<_>>())
    }

    /// Removes the newest units and returns their number. Removes a log without units.
    pub fn refund(&mut self, now: i64, units: i64) -> i64 {
        self.instants = self.unexpired(now);
        let units = usize::try_from(units).expect("units are not negative");
        let left = self.instants.len().saturating_sub(units);
        let taken = self.instants.drain(left..).count();
        self.forget_if_empty();
        i64::try_from(taken).expect("a test's log is short")
    }

    /// Returns pairs of an instant and units, newest first, as `RL.HITS` does.
    pub fn hits(&self, now: i64) -> Vec<(i64, i64)> {
        let mut hits: Vec<(i64, i64)> = Vec::new();
        for instant in self.unexpired(now).into_iter().rev() {
            match hits.last_mut() {
                Some((last, units)) if *last == instant => *units += 1,
                _ => hits.push((instant, 1)),
            }
        }
        hits
    }

    /// Clears the log once all its units have expired, as the server does with the key.
    pub fn expire(&mut self, now: i64) {
        if self.unexpired(now).is_empty() {
            self.instants.clear();
        }
        self.forget_if_empty();
    }

    /// Decides under one rule. A unit stops counting when it leaves the window or expires, whichever comes
    /// first.
    fn decide(&self, now: i64, rule: Rule, cost: i64) -> Decision {
        let span = rule.window_ms.min(self.retention_ms);
        let inside = within(&self.instants, now, span);
        let fits = |units: &[i64]| count(units) + cost <= rule.limit;
        let leaves = |instant: &i64| instant + span - now;
        let retry_after_ms = if cost > rule.limit {
            -1
        } else if fits(&inside) {
            0
        } else {
            let mut waits = inside.iter().map(leaves);
            waits
                .find(|wait| fits(&within(&inside, now + wait, span)))
                .expect("an empty window has room")
        };
        Decision {
            allowed: retry_after_ms == 0,
            limit: rule.limit,
            remaining: (rule.limit - count(&inside)).max(0),
            retry_after_ms,
            reset_after_ms: inside.last().map_or(0, leaves),
            window_ms: rule.window_ms,
        }
    }

    fn forget_if_empty(&mut self) {
        if self.instants.is_empty() {
            self.retention_ms = 0;
        }
    }

    fn unexpired(&self, now: i64) -> Vec<i64> {
        within(&self.instants, now, self.retention_ms)
    }
}

fn within(instants: &[i64], now: i64, window_ms: i64) -> Vec<i64> {
    let inside = |instant: &i64| *instant > now - window_ms;
    instants.iter().copied().filter(inside).collect()
}

fn count(instants: &[i64]) -> i64 {
    i64::try_from(instants.len()).expect("a test's log is short")
}

/// Returns the first decision with the longest wait, or else the first with the least remaining.
fn binding(decisions: &[Decision]) -> Decision {
    let mut bound = decisions[0];
    let wait = |decision: &Decision| match decision.retry_after_ms {
        -1 => i64::MAX,
        wait => wait,
    };
    for decision in decisions {
        let longer = wait(decision) > wait(&bound);
        let fewer = wait(decision) == 0 && decision.remaining < bound.remaining;
        if longer || (wait(&bound) == 0 && fewer) {
            bound = *decision;
        }
    }
    bound
}
