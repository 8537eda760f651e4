use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use ratelog_core::{Decision, RuleSource};

use super::key_versions::KeyVersions;
use crate::{Check, Source};

/// How long a denial under a policy is valid at most, because the policy may change at any time.
const MAX_POLICY_AGE: Duration = Duration::from_secs(1);

/// The deny cache: denials that are still valid, so that a client that hammers a limit causes no round trips.
///
/// It holds one denial per key, for at most `capacity` keys, and evicts the keys that are read least.
///
/// A denial is valid until its retry-after, because no recorded unit can shorten that. A refund, a reset and an
/// override can: [`invalidate`](Self::invalidate) the key after each. A denial that the server sent before such a
/// change must not be cached after it, so read the key's [`version`](Self::version) before you query the server and
/// pass it to [`insert`](Self::insert).
///
/// ```
/// use ratelog_client_core::engine::{DenyCache, FixedOutcome, fallback_decision};
/// use ratelog_client_core::{Check, Source};
/// use ratelog_core::{Cost, Rules};
/// use std::time::{Duration, Instant};
///
/// let rules: Rules = "1/hour".parse()?;
/// let (deny_cache, check) = (DenyCache::new(10_000), Check::from(&rules));
/// let now = Instant::now();
///
/// let version = deny_cache.version(b"user:42", now);
/// # let denied = FixedOutcome::Deny { retry_after_ms: 5_000 };
/// # let denied = fallback_decision(denied, Some(&rules), Cost::ONE);
/// // ... query the server, which denies the check for five seconds ...
/// deny_cache.insert(b"user:42", &check, &denied, Source::Module, version, now);
///
/// let later = now + Duration::from_secs(2);
/// let cached = deny_cache.get(b"user:42", &check, later);
/// assert_eq!(cached.and_then(|decision| decision.retry_after), Some(3_000));
/// assert!(deny_cache.get(b"user:42", &check, now + Duration::from_secs(5)).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DenyCache {
    entries: Cache<Box<[u8]>, Entry>,
    versions: KeyVersions,
    hasher: RandomState,
}

#[derive(Clone, Copy)]
enum Entry {
    /// Another caller is fetching the key's denial.
    Fetching,
    Denied(Denial),
}

#[derive(Clone, Copy)]
struct Denial {
    /// The hash of the check that was denied.
    check: u64,
    decision: Decision,
    valid_until: Instant,
    /// The end of the wait that the decision reports.
    retry_at: Instant,
}

/// The version of a key in a [`DenyCache`], and when it was read.
#[derive(Clone, Copy, Debug)]
pub struct KeyVersion {
    version: u32,
    read_at: Instant,
}

impl DenyCache {
    /// A cache for at most `capacity` keys.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            entries: Cache::new(capacity),
            versions: KeyVersions::new(),
            hasher: RandomState::new(),
        }
    }

    /// The cached denial of the same check, with the wait that is left at `now`.
    #[must_use]
    pub fn get(&self, key: &[u8], check: &Check<'_>, now: Instant) -> Option<Decision> {
        let Entry::Denied(denial) = self.entries.get(key)? else { return None };
        if now >= denial.valid_until {
            self.entries.remove(key);
            return None;
        }
        if denial.check != self.hash_check(check) {
            return None;
        }
        let wait = millis_rounded_up(denial.retry_at.saturating_duration_since(now)).max(1);
        let passed = denial.decision.retry_after.unwrap_or_default().saturating_sub(wait);
        let reset_after = denial.decision.reset_after.saturating_sub(passed);
        Some(Decision { retry_after: Some(wait), reset_after, ..denial.decision })
    }

    /// The key's version. Read it before you query the server.
    #[must_use]
    pub fn version(&self, key: &[u8], now: Instant) -> KeyVersion {
        KeyVersion { version: self.versions.get(self.hash_key(key)), read_at: now }
    }

    /// Caches a denial that arrived at `now`.
    ///
    /// Does nothing if the denial never ends, if the key was invalidated since `version` was read, or if the server did
    /// not make the decision: a denial by the fallback says nothing about the key.
    pub fn insert(
        &self,
        key: &[u8],
        check: &Check<'_>,
        decision: &Decision,
        source: Source,
        version: KeyVersion,
        now: Instant,
    ) {
        let (true, false, Some(wait)) =
            (source.is_server(), decision.allowed, decision.retry_after)
        else {
            return;
        };
        let wait = Duration::from_millis(wait);
        let max_age = match check.rule_source() {
            RuleSource::Rules(_) => wait,
            RuleSource::Policy(_) => wait.min(MAX_POLICY_AGE),
        };
        let (Some(valid_until), Some(retry_at)) =
            (version.read_at.checked_add(max_age), now.checked_add(wait))
        else {
            return;
        };
        let denial =
            Denial { check: self.hash_check(check), decision: *decision, valid_until, retry_at };
        self.entries.insert(key.into(), Entry::Denied(denial));
        // An invalidation from now on removes this entry. An earlier one has changed the version.
        if self.versions.get(self.hash_key(key)) != version.version {
            self.entries.remove(key);
        }
    }

    /// Whether to fetch the denial of `check` at `now`: it is not cached, and no other fetch of the key is in progress.
    ///
    /// If it returns true, query the server, then [`insert`](Self::insert) a denial, and always call
    /// [`end_fetch`](Self::end_fetch).
    #[must_use]
    pub fn begin_fetch(&self, key: &[u8], check: &Check<'_>, now: Instant) -> bool {
        let is_fetching = matches!(self.entries.get(key), Some(Entry::Fetching));
        if is_fetching || self.get(key, check, now).is_some() {
            return false;
        }
        self.entries.insert(key.into(), Entry::Fetching);
        true
    }

    /// Ends a fetch that inserted nothing. Call it after every fetch; a cached denial stays.
    pub fn end_fetch(&self, key: &[u8]) {
        self.entries.remove_if(key, |entry| matches!(entry, Entry::Fetching));
    }

    /// Removes the key's denial, and rejects those that queries in progress return.
    pub fn invalidate(&self, key: &[u8]) {
        self.versions.increment(self.hash_key(key));
        self.entries.remove(key);
    }

    /// Invalidates all keys.
    pub fn invalidate_all(&self) {
        self.versions.increment_all();
        self.entries.clear();
    }

    fn hash_check(&self, check: &Check<'_>) -> u64 {
        self.hasher.hash_one(check)
    }

    fn hash_key(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }
}

impl fmt::Debug for DenyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DenyCache").field("keys", &self.entries.len()).finish_non_exhaustive()
    }
}

fn millis_rounded_up(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use ratelog_core::{Cost, Decision, Log, PolicyName, Rules};

    use super::{DenyCache, MAX_POLICY_AGE};
    use crate::{Check, Clock, Source};

    const SECOND: Duration = Duration::from_secs(1);

    /// The denial of a second unit, 0 ms after the first.
    fn denied(rules: &Rules) -> Decision {
        let now = ratelog_core::Instant::from_clock(1_700_000_000_000);
        let mut log = Log::new();
        ratelog_core::check(&mut log, now, rules, Cost::ONE);
        ratelog_core::check(&mut log, now, rules, Cost::ONE)
    }

    fn insert(deny_cache: &DenyCache, check: &Check<'_>, decision: &Decision, now: Instant) {
        let version = deny_cache.version(b"k", now);
        deny_cache.insert(b"k", check, decision, Source::Module, version, now);
    }

    #[test]
    fn only_a_denial_by_the_server_is_cached() {
        let (rules, now): (Rules, _) = ("1/hour".parse().unwrap(), Clock::monotonic_now());
        let check = Check::from(&rules);
        for (source, is_cached) in [
            (Source::Module, true),
            (Source::Script, true),
            (Source::DenyCache, false),
            (Source::Local, false),
            (Source::Fallback, false),
        ] {
            let deny_cache = DenyCache::new(10);
            let version = deny_cache.version(b"k", now);
            deny_cache.insert(b"k", &check, &denied(&rules), source, version, now);
            assert_eq!(deny_cache.get(b"k", &check, now).is_some(), is_cached, "{source:?}");
        }
    }

    #[test]
    fn a_denial_is_valid_until_its_retry_after() {
        let (rules, now): (Rules, _) = ("1/minute".parse().unwrap(), Clock::monotonic_now());
        let (check, deny_cache) = (Check::from(&rules), DenyCache::new(10));
        insert(&deny_cache, &check, &denied(&rules), now);
        let wait = |millis| {
            let cached = deny_cache.get(b"k", &check, now + Duration::from_millis(millis));
            cached.map(|decision| (decision.retry_after.unwrap(), decision.reset_after))
        };
        assert_eq!(wait(0), Some((60_000, 60_000)));
        assert_eq!(wait(59_999), Some((1, 1)));
        assert_eq!(wait(60_000), None);
    }

    #[test]
    fn a_denial_from_before_an_invalidation_is_not_cached() {
        let (rules, now): (Rules, _) = ("1/hour".parse().unwrap(), Clock::monotonic_now());
        let (check, denied) = (Check::from(&rules), denied(&rules));
        let deny_cache = DenyCache::new(10);
        for invalidate in [|cache: &DenyCache| cache.invalidate(b"k"), DenyCache::invalidate_all] {
            let version = deny_cache.version(b"k", now);
            invalidate(&deny_cache);
            deny_cache.insert(b"k", &check, &denied, Source::Module, version, now);
            assert_eq!(deny_cache.get(b"k", &check, now), None);
        }
        insert(&deny_cache, &check, &denied, now);
        assert!(deny_cache.get(b"k", &check, now).is_some());
    }

    #[test]
    fn one_caller_at_a_time_fetches_a_key() {
        let (rules, now): (Rules, _) = ("1/hour".parse().unwrap(), Clock::monotonic_now());
        let (check, deny_cache) = (Check::from(&rules), DenyCache::new(10));
        assert!(deny_cache.begin_fetch(b"k", &check, now));
        assert!(!deny_cache.begin_fetch(b"k", &check, now));
        assert_eq!(deny_cache.get(b"k", &check, now), None);
        deny_cache.end_fetch(b"k");
        assert!(deny_cache.begin_fetch(b"k", &check, now));
    }

    #[test]
    fn a_cached_denial_is_not_fetched_again() {
        let now = Clock::monotonic_now();
        let [hour, day]: [Rules; 2] = ["1/hour", "1/day"].map(|rules| rules.parse().unwrap());
        let (check, deny_cache) = (Check::from(&hour), DenyCache::new(10));
        insert(&deny_cache, &check, &denied(&hour), now);
        assert!(!deny_cache.begin_fetch(b"k", &check, now));
        deny_cache.end_fetch(b"k");
        assert!(deny_cache.get(b"k", &check, now).is_some());
        assert!(deny_cache.begin_fetch(b"k", &Check::from(&day), now));
    }

    #[test]
    fn a_denial_under_a_policy_is_valid_for_a_second_from_the_query() {
        let (rules, now): (Rules, _) = ("1/hour".parse().unwrap(), Clock::monotonic_now());
        let name: PolicyName = "api".parse().unwrap();
        let (check, deny_cache) = (Check::from(&name), DenyCache::new(10));
        let version = deny_cache.version(b"k", now);
        let arrived = now + SECOND / 4;
        deny_cache.insert(b"k", &check, &denied(&rules), Source::Module, version, arrived);
        let almost = now + MAX_POLICY_AGE.saturating_sub(Duration::from_millis(1));
        assert!(deny_cache.get(b"k", &check, almost).is_some());
        assert_eq!(deny_cache.get(b"k", &check, now + MAX_POLICY_AGE), None);
    }
}
