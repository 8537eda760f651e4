use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ratelog_client::command::{Counts, OverrideCursor, Ranked, Stats};
use ratelog_client::nodes::Role;

use super::RATE_SECONDS;
use super::node_info::NodeInfo;
use super::node_poll::Replies;
use super::node_status::{NodeState, NodeStatus};
use super::override_count::OverrideCount;
use super::policy_map::PolicyMap;
use super::problem::Problem;
use super::progress::Progress;
use crate::clock::now_seconds;
use crate::history::Series;

/// The time over which errors and evictions are counted as a problem.
const PROBLEM_WINDOW: Duration = Duration::from_secs(300);

/// The last replies of a node.
pub struct NodeRecord {
    pub role: Role,
    pub state: NodeState,
    pub series: Series,
    pub top_denied: Vec<Ranked>,
    pub top_checked: Vec<Ranked>,
    info: Option<NodeInfo>,
    last_stats: Option<LastStats>,
    /// The checks without a policy since the first reply.
    without_policy: Counts,
    overrides: OverrideCount,
    last_reply: Instant,
    /// Earlier counts of `NOPOLICY` errors and evictions.
    marks: VecDeque<(Instant, u64, u64)>,
}

/// The last reply of `RL.STATS`.
struct LastStats {
    at: Instant,
    /// The same, in seconds since the epoch.
    second: u64,
    stats: Stats,
}

impl NodeRecord {
    pub fn new(role: Role) -> Self {
        Self {
            role,
            state: NodeState::Unknown,
            info: None,
            last_stats: None,
            without_policy: Counts::default(),
            overrides: OverrideCount::default(),
            series: Series::default(),
            top_denied: Vec::new(),
            top_checked: Vec::new(),
            last_reply: Instant::now(),
            marks: VecDeque::new(),
        }
    }

    /// Records the replies of a poll. Returns the checks of a primary since its reply before.
    pub fn record(&mut self, replies: Replies) -> Option<Progress> {
        let now = Instant::now();
        if let Some(info) = replies.info {
            self.marks.push_back((now, info.nopolicy_errors, info.evicted_keys));
            while self.marks.front().is_some_and(|(at, ..)| now - *at > PROBLEM_WINDOW) {
                self.marks.pop_front();
            }
            self.info = Some(info);
        }
        if let Some(page) = replies.overrides {
            self.overrides.add(&page, now);
        }
        if let Some(top_denied) = replies.top_denied {
            self.top_denied = top_denied;
        }
        if let Some(top_checked) = replies.top_checked {
            self.top_checked = top_checked;
        }
        match replies.stats {
            Ok(stats) => {
                self.state = NodeState::Up;
                self.last_reply = now;
                let second = now_seconds();
                let reply = LastStats { at: now, second, stats: stats.clone() };
                let last = self.last_stats.replace(reply)?;
                let seconds = span(last.second, second, now - last.at);
                let progress = Progress::new(second, seconds, last.stats, stats);
                self.without_policy += progress.without_policy();
                (self.role == Role::Primary).then_some(progress)
            }
            Err(error) if error.is_unknown_command() => {
                self.state = NodeState::NoModule;
                self.last_reply = now;
                None
            }
            Err(error) => {
                let since = now - self.last_reply;
                self.state = NodeState::Down { error: error.to_string(), since };
                None
            }
        }
    }

    /// The place of the next page of overrides to count, if it is time to.
    pub fn next_overrides(&self) -> Option<OverrideCursor> {
        self.overrides.next_page(Instant::now())
    }

    pub fn stats(&self) -> Option<&Stats> {
        self.last_stats.as_ref().map(|last| &last.stats)
    }

    pub fn digest(&self) -> Option<&str> {
        Some(&self.info.as_ref()?.module.as_ref()?.digest)
    }

    pub fn status(&self, address: &str, rules: PolicyMap) -> NodeStatus {
        let stats = self.stats();
        NodeStatus {
            address: address.to_owned(),
            role: self.role.clone(),
            state: self.state.clone(),
            info: self.info.clone(),
            rate: self.series.rate(now_seconds(), RATE_SECONDS),
            total: stats.map(|stats| stats.total),
            without_policy: stats.map(|_| self.without_policy),
            policies: stats.map(|stats| stats.policies.clone()).unwrap_or_default(),
            rules,
            // A replica that was a primary still has its last count.
            overrides_without_end: self
                .overrides
                .without_end()
                .filter(|_| self.role == Role::Primary),
        }
    }

    /// The problems that the node's earlier counts show at `now`.
    pub fn problems(&self, address: &str, now: Instant) -> Vec<Problem> {
        // A node that does not answer has no new counts.
        let mut recent = self.marks.iter().filter(|(at, ..)| now - *at <= PROBLEM_WINDOW);
        let Some(first) = recent.next() else { return Vec::new() };
        let last = recent.next_back().unwrap_or(first);
        let node = address.to_owned();
        let errors = last.1.saturating_sub(first.1);
        let keys = last.2.saturating_sub(first.2);
        let errors = (errors > 0).then(|| Problem::UnknownPolicies { node: node.clone(), errors });
        let evictions = (keys > 0).then_some(Problem::Evictions { node, keys });
        errors.into_iter().chain(evictions).collect()
    }
}

/// The seconds of the clock after that of a reply until that of the next one, so that no second is left empty. They are
/// those that passed if the clock was set meanwhile.
fn span(last: u64, now: u64, elapsed: Duration) -> u32 {
    let elapsed = u64::try_from((elapsed.as_millis() + 500) / 1_000).unwrap_or(u64::MAX);
    let by_clock = now.checked_sub(last).filter(|seconds| seconds.abs_diff(elapsed) <= 1);
    by_clock.unwrap_or(elapsed).try_into().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use ratelog_client::command::{self, Counts, ListOptions};
    use ratelog_client::nodes::Role;
    use ratelog_client::redis::Value;

    use super::{NodeRecord, PROBLEM_WINDOW, span};
    use crate::history::{Range, Series};
    use crate::poll::policy_map::PolicyMap;
    use crate::poll::problem::Problem;

    #[test]
    fn errors_are_no_problem_after_some_minutes() {
        let mut record = NodeRecord::new(Role::Primary);
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        record.marks.extend([(now, 5, 1), (now + second, 7, 1), (now + 2 * second, 8, 1)]);
        for (after, errors) in [(0, 3), (300, 3), (301, 1)] {
            let problem = Problem::UnknownPolicies { node: "a".to_owned(), errors };
            assert_eq!(record.problems("a", now + after * second), [problem], "{after}");
        }
        assert_eq!(record.problems("a", now + 2 * second + PROBLEM_WINDOW), []);
        assert_eq!(record.problems("a", now + 2 * PROBLEM_WINDOW), []);
    }

    #[test]
    fn a_replica_that_was_a_primary_has_no_count_of_overrides() {
        let mut record = NodeRecord::new(Role::Primary);
        let cursor = record.next_overrides().unwrap();
        let list = command::next_override_page(&cursor, &ListOptions::default());
        let last = Value::Array(vec![Value::BulkString(b"0".to_vec()), Value::Array(Vec::new())]);
        record.overrides.add(&list.parse(last).unwrap(), Instant::now());
        let count =
            |record: &NodeRecord| record.status("a", PolicyMap::default()).overrides_without_end;
        assert_eq!(count(&record), Some(0));
        record.role = Role::Replica { of: "b".to_owned() };
        assert_eq!(count(&record), None);
    }

    #[test]
    fn replies_close_to_the_change_of_a_second_leave_none_empty() {
        let mut series = Series::default();
        let mut counts = Counts::default();
        counts.allowed = 10;
        let replies = [10_999, 12_000, 12_999, 14_000, 14_999, 16_000];
        for (last, now) in replies.into_iter().zip(replies.into_iter().skip(1)) {
            let elapsed = Duration::from_millis(now - last);
            series.add(now / 1_000, span(last / 1_000, now / 1_000, elapsed), counts);
        }
        let seconds: Vec<_> =
            series.buckets(Range::Minutes15).map(|(at, bucket)| (at, bucket.allowed)).collect();
        let expected = [(11, 5.0), (12, 15.0), (13, 5.0), (14, 15.0), (15, 5.0), (16, 5.0)];
        assert_eq!(seconds, expected);
    }

    #[test]
    fn a_clock_that_is_set_does_not_change_the_span() {
        let elapsed = Duration::from_millis(1_001);
        for (last, now) in [(10_000, 10_001), (10_000, 13_600), (10_000, 6_400)] {
            assert_eq!(span(last, now, elapsed), 1, "{last} {now}");
        }
        assert_eq!(span(10, 20, Duration::from_millis(10_400)), 10);
    }
}
