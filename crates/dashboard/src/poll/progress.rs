use ratelog_client::command::{Counts, Stats};

/// A node's last two replies of `RL.STATS`.
pub struct Progress {
    /// The second of the later one, since the epoch.
    pub second: u64,
    /// The seconds between them; 0 if they are of the same one.
    pub seconds: u32,
    before: Stats,
    after: Stats,
}

impl Progress {
    pub const fn new(second: u64, seconds: u32, before: Stats, after: Stats) -> Self {
        Self { second, seconds, before, after }
    }

    /// The counts of all checks between the replies.
    pub fn total(&self) -> Counts {
        difference(self.before.total, self.after.total)
    }

    /// The counts of each policy between the replies. Those of a policy that was deleted meanwhile are unknown.
    pub fn policies(&self) -> impl Iterator<Item = (&str, Counts)> {
        // All counts are reset together.
        let is_reset = self.after.total.checks < self.before.total.checks;
        self.after.policies.iter().map(move |(name, stats)| {
            let before = self.before.policies.get(name).filter(|_| !is_reset);
            let before = before.map(|stats| stats.counts).unwrap_or_default();
            (&**name, difference(before, stats.counts))
        })
    }

    /// The counts of the checks without a policy between the replies.
    pub fn without_policy(&self) -> Counts {
        self.policies().fold(self.total(), |rest, (_, counts)| minus(rest, counts))
    }
}

/// The counts since an earlier reply. Counts that are smaller than before were reset, or the node has restarted.
fn difference(before: Counts, after: Counts) -> Counts {
    if after.checks < before.checks { after } else { minus(after, before) }
}

/// The difference of each count; 0 where it would be negative.
fn minus(counts: Counts, other: Counts) -> Counts {
    let mut rest = Counts::default();
    rest.checks = counts.checks.saturating_sub(other.checks);
    rest.allowed = counts.allowed.saturating_sub(other.allowed);
    rest.denied = counts.denied.saturating_sub(other.denied);
    rest.shadow_denied = counts.shadow_denied.saturating_sub(other.shadow_denied);
    rest.overridden = counts.overridden.saturating_sub(other.overridden);
    rest.near = counts.near.saturating_sub(other.near);
    rest
}

#[cfg(test)]
mod tests {
    use ratelog_client::command::{Counts, PolicyStats, Stats};

    use super::{Progress, difference};

    fn counts(checks: u64, allowed: u64) -> Counts {
        let mut counts = Counts::default();
        (counts.checks, counts.allowed) = (checks, allowed);
        counts
    }

    fn stats(total: u64, policies: &[(&str, u64)]) -> Stats {
        let mut stats = Stats::default();
        stats.total = counts(total, total);
        for (name, checks) in policies {
            let mut policy = PolicyStats::default();
            policy.counts = counts(*checks, *checks);
            stats.policies.insert((*name).to_owned(), policy);
        }
        stats
    }

    /// The checks without a policy between two replies.
    fn without_policy(before: &Stats, after: &Stats) -> u64 {
        Progress::new(1, 1, before.clone(), after.clone()).without_policy().allowed
    }

    #[test]
    fn counts_that_shrink_were_reset() {
        assert_eq!(difference(counts(10, 8), counts(15, 12)), counts(5, 4));
        assert_eq!(difference(counts(10, 8), counts(3, 2)), counts(3, 2));
    }

    #[test]
    fn the_checks_of_a_deleted_policy_do_not_become_checks_without_one() {
        let before = stats(1_000, &[("gold", 900)]);
        assert_eq!(without_policy(&before, &stats(1_030, &[("gold", 910)])), 20);
        assert_eq!(without_policy(&before, &stats(1_030, &[])), 30);
        // The policy was deleted and created again.
        assert_eq!(without_policy(&before, &stats(1_030, &[("gold", 10)])), 20);
        assert_eq!(without_policy(&stats(1_030, &[]), &stats(1_050, &[("gold", 5)])), 15);
    }

    #[test]
    fn counts_of_a_policy_may_exceed_those_before_a_reset() {
        let before = stats(1_000, &[("gold", 3)]);
        assert_eq!(without_policy(&before, &stats(12, &[("gold", 5)])), 7);
    }
}
