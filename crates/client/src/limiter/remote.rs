//! The server of a limiter: queries it with a timeout, stops while it is unavailable, and probes it until it recovers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use ratelog_client_core::Clock;
use ratelog_client_core::engine::{
    Breaker, BreakerStatus, DenyCache, FailureKind, Policies, ProbeBackoff,
};
use ratelog_client_core::script::key_of_log;
use ratelog_core::PolicyName;
use redis::{PushInfo, PushKind, Value};
use tokio::runtime::Handle;
use tokio::sync::{Notify, OnceCell};

use super::connection::Connection;
use super::connector::Connector;
use super::deadline::Deadline;
use super::dialect::Dialect;
use super::fallback::Backend;
use super::health::ShardHealth;
use super::operation::Operation;
use super::outage_log::OutageLog;
use super::probe;
use super::redirect::Redirect;
use super::relapses::Relapses;
use super::unanswered_log::UnansweredLog;
use crate::command;
use crate::{AsyncCommands, Error};

pub(super) struct Remote {
    connector: Connector,
    /// Names the server in the log.
    name: String,
    settings: Settings,
    /// Runs the connection and the probes. Callers may have runtimes that end before.
    runtime: Handle,
    breaker: Breaker,
    connection: RwLock<Option<Connection>>,
    /// The number of connections so far. It identifies the pushes of earlier ones.
    generation: AtomicU64,
    dialect: Dialect,
    /// Whether the server reports changed keys to this connection.
    is_tracking: AtomicBool,
    deny_cache: Option<Arc<DenyCache>>,
    clock: Clock,
    outage_log: OutageLog,
    unanswered_log: UnansweredLog,
    started: OnceCell<()>,
    relapses: Relapses,
    /// Notified when the server becomes unavailable, after each failed probe, and when it recovers, if it is a shard of
    /// a cluster: other nodes may own its slots by then.
    doubt: Option<Arc<Notify>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) failure_threshold: u32,
    pub(super) probe_min_interval: Duration,
    pub(super) probe_max_interval: Duration,
    pub(super) backend: Backend,
}

/// How a server runs an operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunOptions {
    /// Another node has sent it here by an `ASK` error.
    pub(super) asking: bool,
    /// With the script, also if this server has the module.
    pub(super) via_script: bool,
}

/// The error of a query.
pub(super) enum QueryError {
    /// The server is unavailable.
    Unavailable(Error),
    /// The server is available and rejected the operation.
    Rejected(Error),
    /// The node of a cluster names another one.
    Redirected(Redirect),
    /// The node has not all of the keys, because their slot is moving or has no owner.
    Split(Error),
}

impl Remote {
    pub(super) fn new(
        connector: Connector,
        settings: Settings,
        runtime: Handle,
        deny_cache: Option<Arc<DenyCache>>,
        clock: Clock,
        doubt: Option<Arc<Notify>>,
    ) -> Self {
        Self {
            name: connector.to_string(),
            connector,
            breaker: Breaker::new(settings.failure_threshold, Clock::system_now()),
            settings,
            runtime,
            connection: RwLock::new(None),
            generation: AtomicU64::new(0),
            dialect: Dialect::new(settings.backend),
            is_tracking: AtomicBool::new(false),
            deny_cache,
            clock,
            outage_log: OutageLog::default(),
            unanswered_log: UnansweredLog::default(),
            started: OnceCell::new(),
            relapses: Relapses::new(settings.probe_min_interval, settings.probe_max_interval),
            doubt,
        }
    }

    /// Probes the server once. If it is unavailable, goes on in the background. A second call waits for the first one.
    pub(super) async fn start(self: &Arc<Self>) {
        let start = async || {
            if !self.probe().await {
                self.runtime.spawn(recover(Arc::downgrade(self)));
            }
        };
        self.started.get_or_init(start).await;
    }

    /// Runs one operation.
    pub(super) async fn run<O: Operation>(
        self: &Arc<Self>,
        operation: &O,
        policies: &Policies,
        deadline: Deadline,
        options: RunOptions,
    ) -> Result<O::Output, QueryError> {
        let Some(connection) = self.connection() else {
            return Err(QueryError::Unavailable(Error::Unavailable(self.last_error())));
        };
        if self.dialect.should_ask(self.clock.monotonic()) {
            self.ask_for_module(connection.clone());
        }
        let connection = if options.asking { connection.asking() } else { connection };
        let query = self.query(connection, operation, policies, options.via_script);
        let error = match deadline.run(query).await {
            Ok(output) => {
                self.breaker.record_success();
                return Ok(output);
            }
            Err(error) => error,
        };
        if self.is_shard()
            && let Some(redirect) = Redirect::from_error(&error)
        {
            self.breaker.record_success();
            return Err(QueryError::Redirected(redirect));
        }
        if self.is_shard() && error.is_about_slot() {
            self.breaker.record_success();
            self.report_doubt();
            return Err(QueryError::Split(error));
        }
        let Some(kind) = error.failure_kind() else {
            // With the script, the limiter finds these by itself, without an answer.
            let is_own = matches!(error, Error::NeedsModule(_) | Error::NoPolicy(_));
            if !(is_own && self.uses_script()) {
                self.breaker.record_success();
            }
            return Err(QueryError::Rejected(error));
        };
        self.record_failure(error.to_string(), kind);
        Err(QueryError::Unavailable(error))
    }

    pub(super) const fn timeout(&self) -> Duration {
        self.settings.timeout
    }

    pub(super) fn is_available(&self) -> bool {
        self.breaker.is_closed()
    }

    /// The address of the server, or another name for it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn health(&self) -> ShardHealth {
        let BreakerStatus { state, since, last_error, opened } = self.breaker.status();
        ShardHealth {
            address: self.name.clone(),
            state,
            since,
            // The breaker does not count each error.
            last_error: last_error.or_else(|| self.unanswered_log.last_error()),
            opened,
            uses_script: self.uses_script(),
            tracking: self.is_tracking(),
            unanswered: self.unanswered_log.total(),
        }
    }

    /// Counts and logs checks that the fallback decided after this error. Once the breaker is open, the outage is logged
    /// instead.
    pub(super) fn record_unanswered(&self, checks: usize, error: &Error) {
        if checks > 0 && self.is_available() {
            self.unanswered_log.record(&self.name, checks, error, Clock::monotonic_now());
        }
    }

    /// Logs no outage from now on, except the end of the one in progress. Returns whether there is one.
    pub(super) fn leave(&self) -> bool {
        self.outage_log.leave()
    }

    /// Logs the end of the outage of a shard that has left: other nodes serve its slots.
    pub(super) fn log_replacement(&self) {
        self.outage_log.replaced(&self.name);
    }

    pub(super) fn last_error(&self) -> String {
        self.breaker.last_error()
    }

    pub(super) fn is_tracking(&self) -> bool {
        self.is_tracking.load(Ordering::Acquire)
    }

    /// Fetches a policy in the background, for when the server will be unavailable.
    pub(super) fn fetch_policy(self: &Arc<Self>, name: PolicyName, policies: Arc<Policies>) {
        let Some(mut connection) = self.connection() else { return };
        let (timeout, clock) = (self.settings.timeout, self.clock.clone());
        self.runtime.spawn(async move {
            let command = command::get_policy(&name);
            let fetched = Deadline::after(timeout).run(connection.rl_query(&command)).await;
            match fetched {
                Ok(policy) => policies.insert(name, policy, clock.monotonic()),
                Err(error) if error.failure_kind().is_some() => policies.fetch_failed(&name),
                // The server will not serve it next time either: the user may lack the permission.
                Err(_) => {}
            }
        });
    }

    pub(super) fn uses_script(&self) -> bool {
        self.dialect.uses_script()
    }

    /// Asks in the background whether the module has been loaded since.
    fn ask_for_module(self: &Arc<Self>, mut connection: Connection) {
        let (remote, timeout) = (Arc::downgrade(self), self.settings.timeout);
        let is_shard = self.is_shard();
        let generation = self.generation.load(Ordering::Acquire);
        self.runtime.spawn(async move {
            let asked = async { Ok(probe::has_module(&mut connection, is_shard).await) };
            let has_module = Deadline::after(timeout).run(asked).await.unwrap_or(false);
            let Some(remote) = remote.upgrade() else { return };
            // A later connection has asked by itself.
            if has_module && remote.generation.load(Ordering::Acquire) == generation {
                remote.change_dialect(true);
            }
        });
    }

    async fn query<O: Operation>(
        &self,
        mut connection: Connection,
        operation: &O,
        policies: &Policies,
        via_script: bool,
    ) -> Result<O::Output, Error> {
        if !via_script && !self.uses_script() {
            match connection.rl_query(&operation.command()).await {
                Err(error) if error.is_unknown_command() => {
                    if self.dialect.requires_module() {
                        return Err(Error::NeedsModule("Backend::Module"));
                    }
                    // An older module may lack a command that no check needs.
                    if !O::NEEDS_MODULE {
                        self.change_dialect(false);
                    }
                }
                result => return result,
            }
        }
        operation.via_script(&mut connection, policies).await
    }

    /// Records whether the server has the module, which has logs of its own.
    fn change_dialect(&self, has_module: bool) {
        self.dialect.record(has_module, self.clock.monotonic());
        if let Some(deny_cache) = &self.deny_cache {
            deny_cache.invalidate_all();
        }
    }

    pub(super) fn connection(&self) -> Option<Connection> {
        self.connection.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_connection(&self, connection: Option<Connection>) {
        *self.connection.write().unwrap_or_else(PoisonError::into_inner) = connection;
    }

    fn record_failure(self: &Arc<Self>, error: String, kind: FailureKind) {
        // A connection that finds its servers again itself is not lost.
        let kind =
            if self.connector.is_reopened_by_limiter() { kind } else { FailureKind::Transient };
        if self.breaker.record_failure(error, kind, Clock::system_now()) {
            self.outage_log.unavailable(&self.name, &self.last_error());
            self.drop_connection();
            self.report_doubt();
            self.runtime.spawn(recover(Arc::downgrade(self)));
        }
    }

    /// Returns whether the server is a shard of a cluster.
    const fn is_shard(&self) -> bool {
        self.doubt.is_some()
    }

    fn report_doubt(&self) {
        if let Some(doubt) = &self.doubt {
            doubt.notify_one();
        }
    }

    fn drop_connection(&self) {
        self.set_connection(None);
        self.is_tracking.store(false, Ordering::Release);
        // No connection reports changed keys from now on.
        if let Some(deny_cache) = &self.deny_cache {
            deny_cache.invalidate_all();
        }
    }

    /// Opens a connection and sends the probe. Closes the breaker if the server answers.
    async fn probe(self: &Arc<Self>) -> bool {
        self.breaker.begin_probe(Clock::system_now());
        let connected = Deadline::after(self.settings.connect_timeout).run(self.connect()).await;
        match &connected {
            Ok(()) => {
                self.breaker.record_recovery(Clock::system_now());
                self.relapses.record_recovery(Clock::monotonic_now());
                if self.outage_log.recovered(&self.name) {
                    self.report_doubt();
                }
            }
            Err(error) => {
                self.breaker.record_probe_failure(error.to_string(), Clock::system_now());
                self.outage_log.unavailable(&self.name, &self.last_error());
                self.report_doubt();
            }
        }
        connected.is_ok()
    }

    async fn connect(self: &Arc<Self>) -> Result<(), Error> {
        let generation = self.generation.fetch_add(1, Ordering::AcqRel) + 1;
        let remote = Arc::downgrade(self);
        let on_push = move |info: PushInfo| {
            if let Some(remote) = remote.upgrade() {
                remote.on_push(generation, info);
            }
            Ok::<(), redis::aio::SendError>(())
        };
        let mut connection = self.connector.connect(self.settings.connect_timeout, on_push).await?;
        let has_module = probe::send(&mut connection, self.is_shard()).await?;
        self.dialect.record(has_module, self.clock.monotonic());
        let is_tracking = self.deny_cache.is_some() && self.connector.supports_pushes() && {
            let tracking = redis::cmd("CLIENT").arg(&["TRACKING", "ON", "NOLOOP"]).to_owned();
            tracking.query_async::<()>(&mut connection).await.is_ok()
        };
        self.set_connection(Some(connection));
        self.is_tracking.store(is_tracking, Ordering::Release);
        Ok(())
    }

    fn on_push(self: &Arc<Self>, generation: u64, info: PushInfo) {
        if self.generation.load(Ordering::Acquire) != generation {
            return;
        }
        match (info.kind, &self.deny_cache) {
            (PushKind::Disconnection, _) if self.breaker.is_closed() => {
                let error = "the connection was closed".to_owned();
                self.record_failure(error, FailureKind::ConnectionLost);
            }
            (PushKind::Invalidate, Some(deny_cache)) => invalidate(deny_cache, info.data),
            _ => {}
        }
    }
}

/// Invalidates the keys that the server reports, or all keys if it reports none.
fn invalidate(deny_cache: &DenyCache, data: Vec<Value>) {
    match data.into_iter().next() {
        Some(Value::Array(keys)) => {
            for key in keys {
                if let Value::BulkString(key) = key {
                    deny_cache.invalidate(key_of_log(&key).unwrap_or(&key));
                }
            }
        }
        _ => deny_cache.invalidate_all(),
    }
}

/// Probes the server until it answers or the limiter is dropped.
async fn recover(remote: Weak<Remote>) {
    let Some(Settings { probe_min_interval, probe_max_interval, .. }) =
        remote.upgrade().map(|remote| remote.settings)
    else {
        return;
    };
    let next_wait = |remote: Arc<Remote>| remote.relapses.next_wait(Clock::monotonic_now());
    let Some(first_wait) = remote.upgrade().map(next_wait) else { return };
    tokio::time::sleep(first_wait).await;
    for wait in ProbeBackoff::new(probe_min_interval, probe_max_interval) {
        match remote.upgrade() {
            None => return,
            Some(remote) => {
                if remote.probe().await {
                    return;
                }
            }
        }
        tokio::time::sleep(wait).await;
    }
}
