//! What this node tells people who watch it of the checks it has decided; no decision depends on it.
//!
//! Every check is counted by how it ended. For the keys that most checks ask about, a check's way is: its
//! key's name becomes a hash, the hash counts in the `rows`, and where the count reaches a bar the name may
//! enter the `table`. The `sketch` joins them and lets old checks fade.

mod counts;
mod rows;
mod sketch;
mod table;
#[cfg(test)]
mod traffic;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use ratelog_core::{Evaluation, Instant};

pub use counts::Counts;
use sketch::Sketch;
pub use table::Heavy;

/// What the node has counted.
#[derive(Default)]
pub struct Monitor {
    /// How all checks ended.
    pub totals: Counts,
    /// The heaviest keys; `None` where nobody wants to know.
    heaviest: Option<Heaviest>,
}

/// What keys can be heavy by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranking {
    /// Checks that were denied.
    Denied,
    /// All checks.
    Checked,
}

/// Each check is in one of two sketches, so that a denied one costs no more than an allowed one. Both are given
/// the hashes of the first.
struct Heaviest {
    allowed: Sketch,
    denied: Sketch,
}

impl Heaviest {
    fn new(k: usize) -> Self {
        Self { allowed: Sketch::new(k), denied: Sketch::new(k) }
    }

    fn k(&self) -> usize {
        self.allowed.k()
    }

    fn add(&mut self, name: &[u8], allowed: bool, now: Instant) {
        let hash = self.allowed.hash(name);
        let sketch = if allowed { &mut self.allowed } else { &mut self.denied };
        sketch.add_hashed(hash, name, now);
    }

    /// The keys with the most checks of both kinds. At least half of a key's checks are of one kind, so a
    /// key is missed only if it is heavy in neither.
    fn checked(&mut self, now: Instant) -> Vec<Heavy> {
        let Self { allowed, denied } = self;
        let mut totals = BTreeMap::<Box<[u8]>, u64>::new();
        let allowed_names = allowed.names(now);
        for Heavy { name, count } in allowed_names {
            let rest = denied.count(allowed.hash(&name), now);
            totals.insert(name, count + rest);
        }
        for Heavy { name, count } in denied.names(now) {
            let rest = allowed.count(allowed.hash(&name), now);
            let total = totals.entry(name).or_default();
            *total = (*total).max(count + rest);
        }
        let mut heaviest: Vec<_> =
            totals.into_iter().map(|(name, count)| Heavy { name, count }).collect();
        // A stable sort: names are in order already.
        heaviest.sort_by_key(|heavy| Reverse(heavy.count));
        heaviest.truncate(self.k());
        heaviest
    }
}

impl Monitor {
    /// Counts one check of the key `name`; the `k` heaviest keys are wanted.
    pub fn count(&mut self, name: &[u8], evaluation: &Evaluation, now: Instant, k: usize) {
        self.totals.add(evaluation);
        self.want(k);
        if let Some(heaviest) = &mut self.heaviest {
            heaviest.add(name, evaluation.decision.allowed, now);
        }
    }

    /// The heaviest keys at `now`, heaviest first, at most `k`.
    pub fn top(&mut self, ranking: Ranking, now: Instant, k: usize) -> Vec<Heavy> {
        self.want(k);
        match (&mut self.heaviest, ranking) {
            (None, _) => Vec::new(),
            (Some(heaviest), Ranking::Denied) => heaviest.denied.top(now),
            (Some(heaviest), Ranking::Checked) => heaviest.checked(now),
        }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let sketches =
            self.heaviest.as_ref().map(|both| both.allowed.bytes() + both.denied.bytes());
        size_of::<Self>() + sketches.unwrap_or(0)
    }

    /// Begins anew where another number of keys is wanted than before.
    fn want(&mut self, k: usize) {
        if self.heaviest.as_ref().map_or(0, Heaviest::k) != k {
            self.heaviest = (k > 0).then(|| Heaviest::new(k));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Monitor, Ranking};
    use ratelog_core::{Cost, Instant, Limit, Log, ResolvedRules, Rule, Rules, Window};

    #[test]
    fn checks_and_denials_have_rankings_of_their_own() {
        let now = Instant::from_unix_millis(1_000_000).unwrap();
        let rules =
            Rules::one(Rule::new(Limit::new(2).unwrap(), Window::from_millis(1_000).unwrap()));
        let evaluation =
            |units| ResolvedRules::from(&rules).evaluate(None, &mut Log::new(), now, units);
        let (allowed, denied) = (evaluation(Cost::ONE.units()), evaluation(3));

        let mut monitor = Monitor::default();
        for _ in 0..3 {
            monitor.count(b"often", &allowed, now, 8);
        }
        monitor.count(b"never", &denied, now, 8);
        monitor.count(b"often", &denied, now, 8);
        let mut names = |ranking, k| -> Vec<(Vec<u8>, u64)> {
            let top = monitor.top(ranking, now, k);
            top.into_iter().map(|heavy| (heavy.name.into(), heavy.count)).collect()
        };
        let own = |name: &str, count| (name.as_bytes().to_vec(), count);
        assert_eq!(names(Ranking::Checked, 8), [own("often", 4), own("never", 1)]);
        assert_eq!(names(Ranking::Denied, 8), [own("never", 1), own("often", 1)]);
        assert_eq!(names(Ranking::Checked, 4), []);
        assert_eq!(names(Ranking::Checked, 0), []);
        let fields: Vec<_> = monitor.totals.fields().into_iter().collect();
        assert_eq!(fields[..3], [("checks", 5), ("allowed", 3), ("denied", 2)]);
    }
}
