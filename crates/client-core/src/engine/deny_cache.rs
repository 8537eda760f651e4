use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use ratelog_core::Decision;

use crate::{Check, Under};

/// How long a denial under a policy is believed: the server may be given another policy at any time.
const POLICY_TRUST: Duration = Duration::from_secs(1);

/// How many counters tell of forgotten keys. Keys that share one only cost each other a round trip.
const MARKS: usize = 1_024;

/// The deny cache: denials that still hold, so that who hammers a limit costs no round trip.
///
/// It holds denials by key, at most so many; those that are asked for stay.
///
/// A denial holds until its retry-after: nothing that is recorded can shorten it. What can (a refund, a reset, an
/// override) must [`forget`](Self::forget) it, and what was denied before that and told after it must not be kept: a
/// [`KeyVersion`] is taken before the server is asked, and is void once its key has been forgotten.
///
/// ```
/// use ratelog_client_core::{Check, DenyCache, FixedOutcome, fallback_decision};
/// use ratelog_core::{Cost, Rules};
///
/// let rules: Rules = "1/hour".parse()?;
/// let (denials, check) = (DenyCache::new(10_000), Check::from(&rules));
/// let ticket = denials.ticket(b"user:42");
/// let denied = fallback_decision(FixedOutcome::Deny(5_000), Some(&rules), Cost::ONE); // the server's answer
/// denials.put(b"user:42", &check, &denied, true, ticket);
/// assert!(denials.get(b"user:42", &check).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DenyCache {
    held: Cache<Box<[u8]>, Entry>,
    marks: Box<[AtomicU32]>,
    hasher: RandomState,
}

#[derive(Clone, Copy)]
enum Entry {
    /// Somebody is asking the server about the key, in order to keep what it says.
    Awaited,
    Denied(Denial),
}

#[derive(Clone, Copy)]
struct Denial {
    /// Of rules and cost, or of policy and cost.
    asked: u64,
    decided: Decision,
    /// Before it surely lets nothing through.
    until: Instant,
    /// When the wait that is told is over.
    over: Instant,
}

/// Taken before a check; says whether its denial may be kept.
#[derive(Clone, Copy, Debug)]
pub struct KeyVersion {
    mark: u32,
    taken: Instant,
}

impl DenyCache {
    /// A cache of at most `capacity` keys.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            held: Cache::new(capacity),
            marks: (0..MARKS).map(|_| AtomicU32::new(0)).collect(),
            hasher: RandomState::new(),
        }
    }

    /// The denial of the same check of the key, if one still holds, as it is by now.
    #[must_use]
    pub fn get(&self, key: &[u8], check: &Check<'_>) -> Option<Decision> {
        let Entry::Denied(denial) = self.held.get(key)? else { return None };
        let now = Instant::now();
        if now >= denial.until {
            self.held.remove(key);
            return None;
        }
        if denial.asked != self.asked(check) {
            return None;
        }
        let wait = millis_up(denial.over.saturating_duration_since(now)).max(1);
        let passed = denial.decided.retry_after.unwrap_or_default().saturating_sub(wait);
        let reset_after = denial.decided.reset_after.saturating_sub(passed);
        Some(Decision { retry_after: Some(wait), reset_after, ..denial.decided })
    }

    /// To be taken before the server is asked about the key.
    #[must_use]
    pub fn ticket(&self, key: &[u8]) -> KeyVersion {
        KeyVersion { mark: self.mark(key).load(Ordering::Acquire), taken: Instant::now() }
    }

    /// Keeps a denial of the server's, unless it has no end or the key was forgotten meanwhile. What was not decided
    /// `by_server` is not kept: what a fallback denies says nothing of the key.
    pub fn put(
        &self,
        key: &[u8],
        check: &Check<'_>,
        decided: &Decision,
        by_server: bool,
        ticket: KeyVersion,
    ) {
        let (true, false, Some(wait)) = (by_server, decided.allowed, decided.retry_after) else {
            return;
        };
        let wait = Duration::from_millis(wait);
        let trust = match check.under() {
            Under::Rules(_) => wait,
            Under::Policy(_) => wait.min(POLICY_TRUST),
        };
        let (Some(until), Some(over)) =
            (ticket.taken.checked_add(trust), Instant::now().checked_add(wait))
        else {
            return;
        };
        let denial = Denial { asked: self.asked(check), decided: *decided, until, over };
        self.held.insert(key.into(), Entry::Denied(denial));
        // Whoever forgets the key from here on removes it; whoever did before has changed the mark.
        if self.mark(key).load(Ordering::Acquire) != ticket.mark {
            self.held.remove(key);
        }
    }

    /// Whether a denial of `check` is to be asked for: none is held, and nobody else is asking about the key. The caller
    /// then does, and settles it with [`Self::put`] or [`Self::settle`].
    #[must_use]
    pub fn claim(&self, key: &[u8], check: &Check<'_>) -> bool {
        let awaited = matches!(self.held.get(key), Some(Entry::Awaited));
        if awaited || self.get(key, check).is_some() {
            return false;
        }
        self.held.insert(key.into(), Entry::Awaited);
        true
    }

    /// Nobody is asking about the key any more.
    pub fn settle(&self, key: &[u8]) {
        self.held.remove_if(key, |entry| matches!(entry, Entry::Awaited));
    }

    /// Forgets the key's denial, and any that was asked for before.
    pub fn forget(&self, key: &[u8]) {
        self.mark(key).fetch_add(1, Ordering::AcqRel);
        self.held.remove(key);
    }

    /// Forgets the denials of all keys.
    pub fn invalidate_all(&self) {
        for mark in &self.marks {
            mark.fetch_add(1, Ordering::AcqRel);
        }
        self.held.clear();
    }

    fn asked(&self, check: &Check<'_>) -> u64 {
        self.hasher.hash_one(Asked(check))
    }

    fn mark(&self, key: &[u8]) -> &AtomicU32 {
        static NONE: AtomicU32 = AtomicU32::new(0);
        let index = usize::try_from(self.hasher.hash_one(key) % MARKS as u64).unwrap_or(0);
        self.marks.get(index).unwrap_or(&NONE)
    }
}

impl fmt::Debug for DenyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DenyCache").field("keys", &self.held.len()).finish_non_exhaustive()
    }
}

struct Asked<'a>(&'a Check<'a>);

impl Hash for Asked<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        match self.0.under() {
            Under::Rules(rules) => {
                for rule in rules.iter() {
                    (rule.limit().units(), rule.window().millis()).hash(state);
                }
            }
            Under::Policy(name) => name.hash(state),
        }
        self.0.units().units().hash(state);
    }
}

/// Whole milliseconds, rounded up: after so many the time is over.
fn millis_up(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use ratelog_core::{Cost, Decision, Log, PolicyName, Rules};

    use super::{DenyCache, POLICY_TRUST};
    use crate::Check;

    fn denied(rules: &Rules) -> Decision {
        let now = ratelog_core::Instant::from_clock(1_700_000_000_000);
        let mut log = Log::new();
        ratelog_core::check(&mut log, now, rules, Cost::ONE);
        ratelog_core::check(&mut log, now, rules, Cost::ONE)
    }

    #[test]
    fn only_what_a_server_denied_is_kept() {
        let rules: Rules = "1/hour".parse().unwrap();
        let check = Check::from(&rules);
        for by_server in [true, false] {
            let denials = DenyCache::new(10);
            denials.put(b"k", &check, &denied(&rules), by_server, denials.ticket(b"k"));
            assert_eq!(denials.get(b"k", &check).is_some(), by_server);
        }
    }

    #[test]
    fn a_denial_that_is_older_than_the_forgetting_of_its_key_is_not_kept() {
        let rules: Rules = "1/hour".parse().unwrap();
        let (check, denied) = (Check::from(&rules), denied(&rules));
        let denials = DenyCache::new(10);
        for forget in [|denials: &DenyCache| denials.forget(b"k"), DenyCache::invalidate_all] {
            let ticket = denials.ticket(b"k");
            forget(&denials);
            denials.put(b"k", &check, &denied, true, ticket);
            assert_eq!(denials.get(b"k", &check), None);
        }
        denials.put(b"k", &check, &denied, true, denials.ticket(b"k"));
        assert!(denials.get(b"k", &check).is_some());
    }

    #[test]
    fn one_at_a_time_asks_about_a_key() {
        let rules: Rules = "1/hour".parse().unwrap();
        let (check, denials) = (Check::from(&rules), DenyCache::new(10));
        assert!(denials.claim(b"k", &check) && !denials.claim(b"k", &check));
        assert_eq!(denials.get(b"k", &check), None);
        denials.settle(b"k");
        assert!(denials.claim(b"k", &check));
    }

    #[test]
    fn a_denial_that_is_held_is_not_asked_for_again() {
        let [hour, day]: [Rules; 2] = ["1/hour", "1/day"].map(|rules| rules.parse().unwrap());
        let (check, denials) = (Check::from(&hour), DenyCache::new(10));
        denials.put(b"k", &check, &denied(&hour), true, denials.ticket(b"k"));
        assert!(!denials.claim(b"k", &check));
        assert!(denials.get(b"k", &check).is_some());
        assert!(denials.claim(b"k", &Check::from(&day)));
    }

    #[test]
    fn a_policys_denial_is_believed_for_less_than_it_says() {
        let rules: Rules = "1/hour".parse().unwrap();
        let name: PolicyName = "api".parse().unwrap();
        let (check, denials) = (Check::from(&name), DenyCache::new(10));
        let ticket = denials.ticket(b"k");
        let long_ago =
            super::KeyVersion { taken: ticket.taken.checked_sub(POLICY_TRUST).unwrap(), ..ticket };
        denials.put(b"k", &check, &denied(&rules), true, long_ago);
        assert_eq!(denials.get(b"k", &check), None);
        denials.put(b"k", &check, &denied(&rules), true, ticket);
        assert!(denials.get(b"k", &check).is_some());
    }
}
