//! Routes the operations of a limiter: to the deny cache, the server, this process or the fallback.

use std::sync::Arc;
use std::time::SystemTime;

use ratelog_client_core::Clock;
use ratelog_client_core::engine::{DenyCache, FixedOutcome, KeyVersion, Policies, UnknownPolicy};
use ratelog_core::{PolicyName, RuleSource};

use super::check_op::CheckOp;
use super::deadline::Deadline;
use super::fallback::Fallback;
use super::health::Health;
use super::local::Local;
use super::log_interval::LogInterval;
use super::measurement::{Measurement, policy_of};
use super::multi_check_op::MultiCheckOp;
use super::operation::{LocalError, Operation};
use super::remote::{Remote, RunOptions};
use super::servers::{Failure, Servers};
use crate::{Check, Decision, Decisions, Error, Source};

pub(crate) struct Engine {
    /// `None` for `memory://`.
    pub(super) servers: Option<Servers>,
    pub(super) local: Local,
    pub(super) policies: Arc<Policies>,
    pub(super) fallback: Fallback,
    pub(super) deny_cache: Option<Arc<DenyCache>>,
    pub(super) clock: Clock,
    pub(super) since: SystemTime,
    /// Admits log records about checks that the server rejects.
    pub(super) rejected_log: LogInterval,
}

/// Returns whether a server has denied a check, so that it has recorded nothing.
pub(super) fn is_denied_by_server(decision: &Decision) -> bool {
    !decision.allowed() && matches!(decision.source(), Source::Module | Source::Script)
}

/// The way of an operation.
enum Route<'a, T> {
    /// This server runs it.
    Server(&'a Servers, Arc<Remote>),
    /// It needs no server, or the server is unavailable.
    Done(Result<T, Error>),
}

/// A fetch of a denial. It ends when it is dropped, also with a task that its runtime ends early.
struct Fetch {
    deny_cache: Arc<DenyCache>,
    key: Vec<u8>,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.deny_cache.end_fetch(&self.key);
    }
}

impl Engine {
    pub(super) async fn check(
        self: &Arc<Self>,
        operation: &CheckOp<'_>,
    ) -> Result<Decision, Error> {
        let measurement = Measurement::start();
        let result = self.check_unmeasured(operation).await;
        measurement.finish_one(&operation.check, &result);
        result
    }

    pub(super) async fn check_unmeasured(
        self: &Arc<Self>,
        operation: &CheckOp<'_>,
    ) -> Result<Decision, Error> {
        if let Some(denied) = self.cached_denial(operation) {
            return Ok(denied);
        }
        if !operation.record {
            return self.peek(operation).await;
        }
        match self.route(operation) {
            // The future of a query is large. In a box it does not enlarge checks that need no query.
            Route::Server(servers, remote) => {
                Box::pin(self.check_and_cache(servers, remote, operation)).await
            }
            Route::Done(result) => result,
        }
    }

    pub(super) async fn mcheck(&self, operation: &MultiCheckOp<'_>) -> Result<Decisions, Error> {
        let measurement = Measurement::start();
        let result = self.run(operation).await;
        for (index, (key, source)) in operation.checks.keys().enumerate() {
            let decision = result.as_ref().ok().and_then(|decisions| decisions.get(index));
            if !decision.is_some_and(is_denied_by_server) {
                self.invalidate_recorded(key);
            }
            if let (RuleSource::Policy(name), Some(decision)) = (source, decision) {
                self.learn_policy(key, name, decision);
            }
        }
        let decide = |index| match &result {
            Ok(decisions) => decisions.get(index).copied().map(Ok),
            Err(error) => Some(Err(error)),
        };
        let checks = operation.checks.keys().enumerate().filter_map(|(index, (_, source))| {
            decide(index).map(|decision| (policy_of(&source), decision))
        });
        measurement.finish(checks);
        result
    }

    pub(super) async fn peek(&self, operation: &CheckOp<'_>) -> Result<Decision, Error> {
        match self.route(operation) {
            Route::Server(servers, remote) => self.query_check(servers, remote, operation).await,
            Route::Done(result) => result,
        }
    }

    pub(super) fn health(&self) -> Health {
        match &self.servers {
            Some(servers) => servers.health(),
            None => Health::without_server(self.since),
        }
    }

    /// The denial of the same check that the deny cache holds.
    pub(super) fn cached_denial(&self, operation: &CheckOp<'_>) -> Option<Decision> {
        let (deny_cache, now) = (self.deny_cache.as_ref()?, self.clock.monotonic());
        let denied = deny_cache.get(operation.key, &operation.check, now)?;
        Some(Decision::new(denied, Source::DenyCache))
    }

    /// The decision of this process on a check that the server rejects; `None` with
    /// [`Fallback::Error`].
    pub(super) fn decide_without_server(&self, operation: &CheckOp<'_>) -> Option<Decision> {
        let retry_after_ms = self.servers.as_ref().map_or(0, Servers::retry_after_ms);
        self.fall_back(operation, retry_after_ms)
    }

    async fn check_and_cache(
        self: &Arc<Self>,
        servers: &Servers,
        remote: Arc<Remote>,
        operation: &CheckOp<'_>,
    ) -> Result<Decision, Error> {
        let version = self.version(operation.key);
        let result = self.query_check(servers, remote, operation).await;
        if let Some(version) = version {
            match &result {
                Ok(decision) if is_denied_by_server(decision) => {
                    self.cache_denial(operation, decision, version);
                }
                _ => self.invalidate_recorded(operation.key),
            }
        }
        result
    }

    /// Drops the denials of a key of which this connection has recorded units, or may have: the server does not report
    /// its own changes to a connection, and forgets with them that it has read the key.
    pub(super) fn invalidate_recorded(&self, key: &[u8]) {
        if let (Some(deny_cache), Some(servers)) = (&self.deny_cache, &self.servers)
            && servers.available(key).is_ok_and(|remote| remote.is_tracking())
        {
            deny_cache.invalidate(key);
        }
    }

    /// The version of a key in the deny cache, before a check whose denial may be cached.
    pub(super) fn version(&self, key: &[u8]) -> Option<KeyVersion> {
        self.deny_cache.as_ref().map(|cache| cache.version(key, self.clock.monotonic()))
    }

    /// Caches a denial, if the check is denied.
    pub(super) fn cache_denial(
        self: &Arc<Self>,
        operation: &CheckOp<'_>,
        decision: &Decision,
        version: KeyVersion,
    ) {
        let CheckOp { key, check, .. } = operation;
        // The key may have moved to another shard since it was checked.
        let remote = self.servers.as_ref().and_then(|servers| servers.available(key).ok());
        let (false, Some(deny_cache), Some(remote)) =
            (decision.allowed(), &self.deny_cache, remote)
        else {
            return;
        };
        let now = self.clock.monotonic();
        if !remote.is_tracking() {
            deny_cache.insert(key, check, decision.as_core(), decision.source(), version, now);
        } else if deny_cache.begin_fetch(key, check, now) {
            let via_script = decision.source() == Source::Script;
            self.fetch_denial(remote, operation, via_script, deny_cache);
        }
    }

    /// Caches the denial in the background, by a peek: once this connection has read the key, the server reports
    /// changes of it.
    fn fetch_denial(
        self: &Arc<Self>,
        remote: Arc<Remote>,
        operation: &CheckOp<'_>,
        via_script: bool,
        deny_cache: &Arc<DenyCache>,
    ) {
        let engine = Arc::clone(self);
        let fetch = Fetch { deny_cache: Arc::clone(deny_cache), key: operation.key.to_vec() };
        let rule_source = operation.check.rule_source().into_owned();
        let cost = operation.check.units();
        tokio::spawn(async move {
            let check = Check::new(rule_source.as_borrowed()).cost(cost);
            let Fetch { deny_cache, key } = &fetch;
            let version = deny_cache.version(key, engine.clock.monotonic());
            let operation = CheckOp { key, check, record: false };
            let deadline = Deadline::after(remote.timeout());
            let options = RunOptions { asking: false, via_script };
            let peeked = remote.run(&operation, &engine.policies, deadline, options).await;
            if let Ok(decision) = peeked {
                let (source, now) = (decision.source(), engine.clock.monotonic());
                deny_cache.insert(key, &check, decision.as_core(), source, version, now);
            }
        });
    }

    async fn query_check(
        &self,
        servers: &Servers,
        remote: Arc<Remote>,
        operation: &CheckOp<'_>,
    ) -> Result<Decision, Error> {
        let decision = self.query(servers, remote, operation).await?;
        if let RuleSource::Policy(name) = operation.check.rule_source() {
            self.learn_policy(operation.key, name, &decision);
        }
        Ok(decision)
    }

    /// Fetches the policy of a check that the module has decided: the fallback will need its rules.
    pub(super) fn learn_policy(&self, key: &[u8], name: &PolicyName, decision: &Decision) {
        if let (Source::Module, Fallback::Local { .. }) = (decision.source(), self.fallback)
            && self.policies.should_fetch(name, self.clock.monotonic())
            && let Some(Ok(remote)) = self.servers.as_ref().map(|servers| servers.available(key))
        {
            remote.fetch_policy(name.clone(), Arc::clone(&self.policies));
        }
    }

    /// Runs an operation after which a denied check may be allowed.
    pub(super) async fn run_and_invalidate<O: Operation>(
        &self,
        key: &[u8],
        operation: &O,
    ) -> Result<O::Output, Error> {
        let result = self.run(operation).await;
        // Even if there was an error: the server may have run the operation.
        if let Some(deny_cache) = &self.deny_cache {
            deny_cache.invalidate(key);
        }
        result
    }

    pub(super) async fn run<O: Operation>(&self, operation: &O) -> Result<O::Output, Error> {
        match self.route(operation) {
            Route::Server(servers, remote) => self.query(servers, remote, operation).await,
            Route::Done(result) => result,
        }
    }

    /// The server to query, or, if there is none or it is unavailable, the result.
    fn route<O: Operation>(&self, operation: &O) -> Route<'_, O::Output> {
        let Self { servers, local, policies, .. } = self;
        let Some(servers) = servers else {
            return Route::Done(operation.local(local, policies).map_err(Error::from));
        };
        match servers.available(operation.key()) {
            Ok(remote) => Route::Server(servers, remote),
            Err(reason) => {
                let output = self.fall_back(operation, servers.retry_after_ms());
                if output.is_some() {
                    servers.record_unowned(operation.key(), operation.checks());
                }
                Route::Done(output.ok_or(Error::Unavailable(reason)))
            }
        }
    }

    async fn query<O: Operation>(
        &self,
        servers: &Servers,
        remote: Arc<Remote>,
        operation: &O,
    ) -> Result<O::Output, Error> {
        match servers.query(remote, operation, &self.policies).await {
            Ok(output) => Ok(output),
            Err(Failure::Rejected(error)) => Err(error),
            Err(Failure::Unavailable(remote, error)) => {
                match self.fall_back(operation, servers.retry_after_ms()) {
                    Some(output) => {
                        remote.record_unanswered(operation.checks(), &error);
                        Ok(output)
                    }
                    None => Err(error),
                }
            }
        }
    }

    /// The output of the fallback; `None` if it has none for this operation.
    fn fall_back<O: Operation>(&self, operation: &O, retry_after_ms: u64) -> Option<O::Output> {
        let Self { local, policies, .. } = self;
        match self.fallback {
            Fallback::Local { .. } => match operation.local(local, policies) {
                Ok(output) => Some(output),
                Err(LocalError::UnknownPolicies(unknown)) => {
                    self.warn(&unknown);
                    operation.local_allowing_unknown(local, policies)
                }
                Err(LocalError::NeedsModule(_) | LocalError::RecordedByServer) => None,
            },
            Fallback::Allow => operation.fixed(FixedOutcome::Allow, policies),
            Fallback::Deny => operation.fixed(FixedOutcome::Deny { retry_after_ms }, policies),
            Fallback::Error => None,
        }
    }

    /// Logs unknown policies, each of them once.
    fn warn(&self, unknown: &[UnknownPolicy]) {
        for unknown in unknown.iter().filter(|unknown| self.policies.should_report(unknown)) {
            tracing::warn!(
                event = "unknown_policy",
                policy = %unknown.name(),
                "the server is unavailable and the policy is unknown in this process: its checks are allowed"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ratelog_client_core::Clock;
    use ratelog_client_core::engine::DenyCache;

    use super::Fetch;
    use crate::{Check, Rules};

    #[test]
    fn a_fetch_ends_with_the_runtime_of_its_task() {
        let deny_cache = Arc::new(DenyCache::new(10));
        let (rules, now): (Rules, _) = ("1/hour".parse().unwrap(), Clock::monotonic_now());
        for _ in 0..2 {
            assert!(deny_cache.begin_fetch(b"k", &Check::from(&rules), now));
            let fetch = Fetch { deny_cache: Arc::clone(&deny_cache), key: b"k".into() };
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.spawn(async move {
                let _fetch = &fetch;
                std::future::pending::<()>().await;
            });
            runtime.block_on(tokio::task::yield_now());
        }
    }
}
