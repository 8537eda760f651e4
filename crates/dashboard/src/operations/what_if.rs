//! The decisions of other rules on the units in a key's log.

use ratelog_core::{Cost, Instant, Log, Rules};
use serde::Serialize;
use utoipa::ToSchema;

/// Units that were recorded at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RecordedUnits {
    /// The instant, in milliseconds since the epoch.
    pub at_ms: i64,
    /// The number of units.
    pub units: u64,
}

/// The decisions of other rules on recorded units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct WhatIf {
    /// The units that the rules were applied to.
    pub units: u64,
    /// The units that the rules would have denied.
    pub denied_units: u64,
    /// The instants of these units.
    pub denied: Vec<RecordedUnits>,
    /// Whether older units, which are not counted here, may be in the log: only the newest 50,000 instants are read.
    pub incomplete: bool,
}

/// Applies rules to recorded units, given oldest first, as if each were a check of one unit at its instant.
///
/// A denied unit is not recorded, so it does not count against later ones. Checks that were denied are not in a log, so
/// they are not applied.
#[must_use]
pub fn replay(recorded: &[RecordedUnits], rules: &Rules) -> WhatIf {
    let mut log = Log::new();
    let mut result = WhatIf::default();
    for hit in recorded {
        let denied = hit.units - record(&mut log, hit, rules);
        result.units += hit.units;
        if denied > 0 {
            result.denied_units += denied;
            result.denied.push(RecordedUnits { at_ms: hit.at_ms, units: denied });
        }
    }
    result
}

/// Checks the units of an instant one by one, until one is denied. Returns how many are allowed.
fn record(log: &mut Log, hit: &RecordedUnits, rules: &Rules) -> u64 {
    let now = Instant::from_clock(hit.at_ms);
    let (mut allowed, mut units) = (0, hit.units.min(1));
    // `remaining` is how many more are allowed at this instant: one check of these is the same as many of one.
    while units > 0 {
        let cost = Cost::new(u32::try_from(units).unwrap_or(u32::MAX)).unwrap_or(Cost::ONE);
        let decision = ratelog_core::check(log, now, rules, cost);
        if !decision.allowed {
            break;
        }
        allowed += cost.units();
        units = decision.remaining.min(hit.units - allowed);
    }
    allowed
}

#[cfg(test)]
mod tests {
    use ratelog_core::{Limit, Rule, Rules, Window};

    use super::{RecordedUnits, WhatIf, replay};

    fn hits(pairs: &[(i64, u64)]) -> Vec<RecordedUnits> {
        pairs.iter().map(|&(at_ms, units)| RecordedUnits { at_ms, units }).collect()
    }

    /// Counts by a list of the allowed instants.
    fn naive(recorded: &[RecordedUnits], limit: usize, window: i64) -> u64 {
        let mut allowed: Vec<i64> = Vec::new();
        let mut denied = 0;
        for hit in recorded {
            for _ in 0..hit.units {
                let used = allowed.iter().filter(|at| **at > hit.at_ms - window).count();
                if used < limit { allowed.push(hit.at_ms) } else { denied += 1 }
            }
        }
        denied
    }

    #[test]
    fn units_over_the_limit_are_denied_and_do_not_count() {
        let rules = "2/second".parse().unwrap();
        let recorded = hits(&[(1000, 1), (1500, 3), (2000, 1), (2499, 1), (2500, 2)]);
        let denied = hits(&[(1500, 2), (2499, 1), (2500, 1)]);
        let expected = WhatIf { units: 8, denied_units: 4, denied, incomplete: false };
        assert_eq!(replay(&recorded, &rules), expected);
        assert_eq!(replay(&[], &rules), WhatIf::default());
    }

    #[test]
    fn many_units_of_an_instant_are_decided_at_once() {
        let rules = Rules::one(Rule::new(Limit::new(u32::MAX), Window::DEFAULT_MAX));
        let recorded =
            hits(&[(1000, u64::from(u32::MAX) - 1), (1001, 5), (1002, u64::from(u32::MAX))]);
        let found = replay(&recorded, &rules);
        assert_eq!(found.denied, hits(&[(1001, 4), (1002, u64::from(u32::MAX))]));
    }

    #[test]
    fn every_limit_agrees_with_a_naive_count() {
        let recorded: Vec<_> = (0..500)
            .map(|i: i64| RecordedUnits {
                at_ms: 10_000 + i * i % 7919,
                units: 1 + (i % 3).unsigned_abs(),
            })
            .collect();
        let mut recorded = recorded;
        recorded.sort_by_key(|hit| hit.at_ms);
        for limit in [0, 1, 5, 50, 500, 5000] {
            let rules = format!("{limit}/second").parse().unwrap();
            assert_eq!(
                replay(&recorded, &rules).denied_units,
                naive(&recorded, limit, 1000),
                "{limit}"
            );
        }
    }
}
