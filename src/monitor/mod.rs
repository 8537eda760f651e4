//! Counts the checks that this node has decided, for operators. No decision depends on the counts.
//!
//! `counts` counts checks by result. `sketch` finds the heaviest keys: it hashes a key's name, counts the hash in
//! `heavy_keeper`, offers the name to `top_k` when the count reaches the admission threshold, and lets old checks
//! decay.

mod counts;
mod heavy_keeper;
mod shown_name;
mod sketch;
#[cfg(test)]
mod tests;
mod top_k;

use ahash::AHashMap;
use ratelog_core::{Evaluation, Instant};

pub use counts::Counts;
use sketch::Sketch;
pub use top_k::HeavyKey;
use top_k::heaviest;

/// The node's counts.
#[derive(Default)]
pub struct Monitor {
    /// All checks.
    pub totals: Counts,
    /// The heaviest keys, or `None` if `rl.top-k` is 0.
    heavy_keys: Option<HeavyKeys>,
}

/// The order of `RL.TOP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranking {
    /// By denied checks.
    Denied,
    /// By all checks.
    Checked,
}

/// Two sketches. Each check is counted in one of them, so a denied check costs no more than an allowed one. Both use
/// the hashes of the first sketch.
struct HeavyKeys {
    allowed: Sketch,
    denied: Sketch,
}

impl HeavyKeys {
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

    fn refresh(&mut self, now: Instant) {
        self.allowed.refresh(now);
        self.denied.refresh(now);
    }

    /// Returns the keys with the most checks of both kinds. At least half of a key's checks are of one kind, so a key
    /// is missed only if it is heavy in neither sketch.
    fn checked(&self, most: usize) -> Vec<HeavyKey<'_>> {
        let Self { allowed, denied } = self;
        let mut totals = AHashMap::<u64, HeavyKey<'_>>::new();
        for (keys, others) in [(allowed, denied), (denied, allowed)] {
            for mut heavy in keys.keys() {
                heavy.count += others.count(heavy.hash);
                let total = totals.entry(heavy.hash).or_insert(heavy);
                total.count = total.count.max(heavy.count);
            }
        }
        heaviest(totals.into_values(), most.min(self.k()))
    }
}

impl Monitor {
    /// Counts one check of the key `name`, and tracks the `k` heaviest keys.
    pub fn count(&mut self, name: &[u8], evaluation: &Evaluation, now: Instant, k: usize) {
        self.totals.add(evaluation);
        self.set_k(k);
        if let Some(heavy_keys) = &mut self.heavy_keys {
            heavy_keys.add(name, evaluation.decision.allowed, now);
        }
    }

    /// Returns the heaviest keys at `now`, heaviest first, and at most `most` of the `k` that are tracked.
    pub fn top(
        &mut self,
        ranking: Ranking,
        now: Instant,
        k: usize,
        most: usize,
    ) -> Vec<HeavyKey<'_>> {
        self.set_k(k);
        let Some(heavy_keys) = &mut self.heavy_keys else {
            return Vec::new();
        };
        heavy_keys.refresh(now);
        match ranking {
            Ranking::Denied => heavy_keys.denied.top(most),
            Ranking::Checked => heavy_keys.checked(most),
        }
    }

    /// Sets all counts to zero and frees the sketches.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Frees the sketches and the names of keys in them. The next check starts new ones.
    pub fn forget_keys(&mut self) {
        self.heavy_keys = None;
    }

    /// Frees the sketches if they do not track `k` keys.
    pub fn forget_keys_unless(&mut self, k: usize) {
        if self.k() != k {
            self.forget_keys();
        }
    }

    /// Returns the used memory in bytes.
    pub fn bytes(&self) -> usize {
        let sketches =
            self.heavy_keys.as_ref().map(|both| both.allowed.bytes() + both.denied.bytes());
        size_of::<Self>() + sketches.unwrap_or(0)
    }

    fn k(&self) -> usize {
        self.heavy_keys.as_ref().map_or(0, HeavyKeys::k)
    }

    /// Clears the sketches if `k` has changed.
    fn set_k(&mut self, k: usize) {
        if self.k() != k {
            self.heavy_keys = (k > 0).then(|| HeavyKeys::new(k));
        }
    }
}

#[cfg(test)]
mod ranking_tests {
    use super::{Monitor, Ranking};
    use ratelog_core::{Cost, Instant, Limit, Log, ResolvedRules, Rule, Rules, Window};

    #[test]
    fn checks_and_denials_are_ranked_separately() {
        let now = Instant::from_unix_millis(1_000_000).unwrap();
        let rules = Rules::one(Rule::new(Limit::new(2), Window::from_millis(1_000).unwrap()));
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
            let top = monitor.top(ranking, now, k, usize::MAX);
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

    #[test]
    fn the_checks_of_a_long_name_are_added_up() {
        let now = Instant::from_unix_millis(1_000_000).unwrap();
        let rules = Rules::one(Rule::new(Limit::new(2), Window::from_millis(1_000).unwrap()));
        let evaluation =
            |units| ResolvedRules::from(&rules).evaluate(None, &mut Log::new(), now, units);
        let names = [1_000, 1_001].map(|length| vec![b'x'; length]);
        let mut monitor = Monitor::default();
        for (name, denied) in names.iter().zip([2, 3]) {
            monitor.count(name, &evaluation(1), now, 8);
            for _ in 0..denied {
                monitor.count(name, &evaluation(3), now, 8);
            }
        }
        let counts: Vec<_> =
            monitor.top(Ranking::Checked, now, 8, 5).iter().map(|heavy| heavy.count).collect();
        assert_eq!(counts, [4, 3]);
    }
}
