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

use ratelog_core::{Instant, Verdict};

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

/// The two sketches are given the hashes of one of them.
struct Heaviest {
    checked: Sketch,
    denied: Sketch,
}

impl Monitor {
    /// Counts one check of the key `name`; the `k` heaviest keys are wanted.
    pub fn count(&mut self, name: &[u8], verdict: &Verdict, now: Instant, k: usize) {
        self.totals.add(verdict);
        self.want(k);
        if let Some(Heaviest { checked, denied }) = &mut self.heaviest {
            let hash = checked.hash(name);
            checked.add_hashed(hash, name, now);
            if !verdict.standing.allowed {
                denied.add_hashed(hash, name, now);
            }
        }
    }

    /// The heaviest keys at `now`, heaviest first, at most `k`.
    pub fn top(&mut self, ranking: Ranking, now: Instant, k: usize) -> Vec<Heavy> {
        self.want(k);
        match (&mut self.heaviest, ranking) {
            (None, _) => Vec::new(),
            (Some(heaviest), Ranking::Denied) => heaviest.denied.top(now),
            (Some(heaviest), Ranking::Checked) => heaviest.checked.top(now),
        }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let sketches =
            self.heaviest.as_ref().map(|both| both.checked.bytes() + both.denied.bytes());
        size_of::<Self>() + sketches.unwrap_or(0)
    }

    /// Begins anew where another number of keys is wanted than before.
    fn want(&mut self, k: usize) {
        if self.heaviest.as_ref().map_or(0, |heaviest| heaviest.checked.k()) != k {
            self.heaviest =
                (k > 0).then(|| Heaviest { checked: Sketch::new(k), denied: Sketch::new(k) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Monitor, Ranking};
    use ratelog_core::{Cost, Instant, Limit, Log, Mode, Rule, Rules, Terms, Window};

    #[test]
    fn checks_and_denials_have_rankings_of_their_own() {
        let now = Instant::from_unix_millis(1_000_000).unwrap();
        let rules =
            Rules::one(Rule::new(Limit::new(2).unwrap(), Window::from_millis(1_000).unwrap()));
        let terms = Terms { rules: &rules, mode: Mode::Enforce, overruled_by: None };
        let verdict = |units| terms.decide(&mut Log::new(), now, units);
        let (allowed, denied) = (verdict(Cost::ONE.units()), verdict(3));

        let mut monitor = Monitor::default();
        for _ in 0..3 {
            monitor.count(b"often", &allowed, now, 8);
        }
        monitor.count(b"never", &denied, now, 8);
        let mut names = |ranking, k| -> Vec<(Vec<u8>, u64)> {
            let top = monitor.top(ranking, now, k);
            top.into_iter().map(|heavy| (heavy.name.into(), heavy.count)).collect()
        };
        let own = |name: &str, count| (name.as_bytes().to_vec(), count);
        assert_eq!(names(Ranking::Checked, 8), [own("often", 3), own("never", 1)]);
        assert_eq!(names(Ranking::Denied, 8), [own("never", 1)]);
        assert_eq!(names(Ranking::Checked, 4), []);
        assert_eq!(names(Ranking::Checked, 0), []);
        let fields: Vec<_> = monitor.totals.fields().into_iter().collect();
        assert_eq!(fields[..3], [("checks", 4), ("allowed", 3), ("denied", 1)]);
    }
}
