//! The units that a promoted node allows, and the bound for them.

use std::collections::BTreeMap;

use super::checks::Tallies;
use super::{Client, Decision};

/// The units that a promoted node had of a key, and those it allowed until the limit was reached.
struct Account {
    units: i64,
    admitted: i64,
    limit: i64,
}

pub struct Failover(BTreeMap<String, Account>);

impl Failover {
    /// Uses up what is left under `rules`.
    #[track_caller]
    pub fn by(promoted: &mut Client, keys: &[&str], rules: &str) -> Self {
        let mut accounts = BTreeMap::new();
        for key in keys {
            let units = promoted.units(key);
            let mut admitted = 0;
            let limit = loop {
                let decision: Decision = promoted.run(&format!("RL.CHECK {key} {rules}"));
                if !decision.allowed {
                    break decision.limit;
                }
                admitted += 1;
            };
            accounts.insert((*key).to_owned(), Account { units, admitted, limit });
        }
        Self(accounts)
    }

    /// Nothing is lost that a replica had acknowledged, nothing is invented, and no more is admitted again
    /// than was lost.
    #[track_caller]
    pub fn assert_within_bound(&self, tallies: &Tallies) {
        for (key, account) in &self.0 {
            let Account { units, admitted, limit } = account;
            let tally = tallies[key];
            assert!(tally.acknowledged > 0, "{key} was not under load: {tally:?}");
            assert!(*units >= tally.acknowledged, "{key} lost units: {units} of {tally:?}");
            assert!(
                *units <= tally.allowed + tally.unanswered,
                "{key} gained: {units} of {tally:?}"
            );
            assert_eq!(units + admitted, *limit, "{key}");
            let most = limit + tally.unacknowledged();
            assert!(tally.allowed + admitted <= most, "{key}: {admitted} after {tally:?}");
        }
    }
}
