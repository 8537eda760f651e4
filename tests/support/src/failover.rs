//! The units that a promoted node allows, and their bound.

use std::collections::BTreeMap;

use super::checks::Tallies;
use super::{Client, Decision};

/// The units of a key that a promoted node had, and the units that it allowed until the limit was reached.
struct Account {
    units: i64,
    allowed: i64,
    limit: i64,
}

pub struct Failover(BTreeMap<String, Account>);

impl Failover {
    /// Uses up the remaining units under `rules`.
    #[track_caller]
    pub fn by(promoted: &mut Client, keys: &[&str], rules: &str) -> Self {
        let mut accounts = BTreeMap::new();
        for key in keys {
            let units = promoted.units(key);
            let mut allowed = 0;
            let limit = loop {
                let decision: Decision = promoted.run(&format!("RL.CHECK {key} {rules}"));
                if !decision.allowed {
                    break decision.limit;
                }
                allowed += 1;
            };
            accounts.insert((*key).to_owned(), Account { units, allowed, limit });
        }
        Self(accounts)
    }

    /// Panics if an acknowledged unit is lost, if units appear from nowhere, or if the node allows more units
    /// again than were lost.
    #[track_caller]
    pub fn assert_within_bound(&self, tallies: &Tallies) {
        for (key, account) in &self.0 {
            let Account { units, allowed, limit } = account;
            let tally = tallies[key];
            assert!(tally.acknowledged > 0, "{key} was not under load: {tally:?}");
            assert!(*units >= tally.acknowledged, "{key} lost units: {units} of {tally:?}");
            assert!(
                *units <= tally.allowed + tally.unanswered,
                "{key} gained: {units} of {tally:?}"
            );
            assert_eq!(units + allowed, *limit, "{key}");
            let most = limit + tally.unacknowledged();
            assert!(tally.allowed + allowed <= most, "{key}: {allowed} after {tally:?}");
        }
    }
}
