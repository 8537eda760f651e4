//! The server, as a limiter sees it: asked with a timeout, left alone while it is away, and found again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use ratelog_client_core::script::subject;
use ratelog_client_core::{Breaker, DenyCache, FailureKind, Policies, ProbeBackoff};
use ratelog_core::{Cost, PolicyName};
use redis::{PushInfo, PushKind, Value};

use super::classify::{absence, is_unknown_command};
use super::connection::Connection;
use super::fallback::Backend;
use super::health::Health;
use super::operation::Operation;
use super::target::Target;
use crate::command;
use crate::{AsyncCommands, Error};

/// A key that a probe writes to without changing anything: a replica refuses it, and so does a server that loads.
const PROBE_KEY: &str = "ratelog:probe";

/// tokio's timer rounds up to whole milliseconds: so much earlier it is set, for a wait that is over in time.
const TIMER_STEP: Duration = Duration::from_millis(1);

pub(super) struct Remote {
    target: Target,
    settings: Settings,
    breaker: Breaker,
    wire: RwLock<Option<Connection>>,
    /// Counts connections, so that what an old one tells is known as such.
    generation: AtomicU64,
    /// The server of this connection has no module.
    without_module: AtomicBool,
    /// The server tells this connection of keys that were changed.
    tracks: AtomicBool,
    denials: Option<Arc<DenyCache>>,
}

/// How patient a limiter is, and with what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) failures: u32,
    pub(super) probe_min: Duration,
    pub(super) probe_max: Duration,
    pub(super) backend: Backend,
}

/// Why the server did not answer.
pub(super) enum Failure {
    /// It is away.
    Away(Error),
    /// It is there, and refuses.
    Refused(Error),
}

impl Remote {
    pub(super) fn new(target: Target, settings: Settings, denials: Option<Arc<DenyCache>>) -> Self {
        Self {
            target,
            breaker: Breaker::new(settings.failures),
            settings,
            wire: RwLock::new(None),
            generation: AtomicU64::new(0),
            without_module: AtomicBool::new(settings.backend == Backend::Script),
            tracks: AtomicBool::new(false),
            denials,
        }
    }

    /// Connects; if that fails, goes on trying by itself.
    pub(super) async fn start(self: &Arc<Self>) {
        if !self.probe().await {
            tokio::spawn(recover(Arc::downgrade(self)));
        }
    }

    /// One operation, within the timeout.
    pub(super) async fn run<O: Operation>(
        self: &Arc<Self>,
        operation: &O,
        policies: &Policies,
    ) -> Result<O::Answer, Failure> {
        let Some(wire) = self.wire() else {
            return Err(Failure::Away(Error::Unavailable(self.last_error())));
        };
        let answer = self.in_time(self.settings.timeout, self.ask(wire, operation, policies)).await;
        let Err(error) = answer else {
            self.breaker.succeeded();
            return answer.map_err(Failure::Refused);
        };
        let Some(absence) = absence(&error) else {
            self.breaker.succeeded();
            return Err(Failure::Refused(error));
        };
        self.failed(error.to_string(), absence == FailureKind::ConnectionLost);
        Err(Failure::Away(error))
    }

    /// Whether it is worth asking.
    pub(super) fn is_there(&self) -> bool {
        self.breaker.is_closed()
    }

    pub(super) fn health(&self) -> Health {
        Health::of(self.breaker.history(), self.uses_script(), self.tracks())
    }

    pub(super) fn last_error(&self) -> String {
        self.breaker.last_error()
    }

    /// After how many milliseconds it is worth another try, at most.
    pub(super) fn next_try(&self) -> u64 {
        u64::try_from(self.settings.probe_max.as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn tracks(&self) -> bool {
        self.tracks.load(Ordering::Acquire)
    }

    pub(super) fn uses_script(&self) -> bool {
        self.without_module.load(Ordering::Relaxed)
    }

    /// Asks for a policy, for the time when the server will be away.
    pub(super) fn learn(self: &Arc<Self>, name: PolicyName, policies: Arc<Policies>) {
        let remote = Arc::clone(self);
        tokio::spawn(async move {
            let Some(mut wire) = remote.wire() else { return };
            let command = command::get_policy(&name);
            let asked = remote.in_time(remote.settings.timeout, wire.rl_query(&command));
            if let Ok(policy) = asked.await {
                policies.learn(name, policy);
            }
        });
    }

    async fn ask<O: Operation>(
        &self,
        mut wire: Connection,
        operation: &O,
        policies: &Policies,
    ) -> Result<O::Answer, Error> {
        if !self.uses_script() {
            match wire.rl_query(&operation.command()).await {
                Err(error)
                    if self.settings.backend == Backend::Auto && is_unknown_command(&error) =>
                {
                    self.without_module.store(true, Ordering::Relaxed);
                }
                answer => return answer,
            }
        }
        operation.via_script(&mut wire, policies).await
    }

    async fn in_time<T>(
        &self,
        time: Duration,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let timer = time.checked_sub(TIMER_STEP).filter(|rest| !rest.is_zero()).unwrap_or(time);
        tokio::time::timeout(timer, answer).await.unwrap_or(Err(Error::Timeout(time)))
    }

    fn wire(&self) -> Option<Connection> {
        self.wire.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn failed(self: &Arc<Self>, error: String, lost: bool) {
        // These find their servers again by themselves.
        let lost = lost && self.target.makes_connections();
        if self.breaker.failed(error, lost) {
            self.forget_wire();
            tokio::spawn(recover(Arc::downgrade(self)));
        }
    }

    fn forget_wire(&self) {
        *self.wire.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.tracks.store(false, Ordering::Release);
        // Nobody tells of changes now.
        if let Some(denials) = &self.denials {
            denials.invalidate_all();
        }
    }

    /// Makes a connection, asks it something that is worth nothing, and closes the breaker if that is answered.
    async fn probe(self: &Arc<Self>) -> bool {
        self.breaker.probing();
        let found = self.in_time(self.settings.connect_timeout, self.find()).await;
        match found {
            Ok(()) => self.breaker.recovered(),
            Err(ref error) => self.breaker.record_probe_failure(error.to_string()),
        }
        found.is_ok()
    }

    async fn find(self: &Arc<Self>) -> Result<(), Error> {
        let generation = self.generation.fetch_add(1, Ordering::AcqRel) + 1;
        let remote = Arc::downgrade(self);
        let pushes = move |info: PushInfo| {
            if let Some(remote) = remote.upgrade() {
                remote.told(generation, info);
            }
            Ok::<(), redis::aio::SendError>(())
        };
        let mut wire = self.target.connect(self.settings.connect_timeout, pushes).await?;
        let has_module = match wire.rl_query(&command::refund(PROBE_KEY, Cost::ONE)).await {
            Err(error) if absence(&error).is_some() => return Err(error),
            // The server is there, whatever it thinks of the probe.
            answer => !answer.is_err_and(|error| is_unknown_command(&error)),
        };
        let script = match self.settings.backend {
            Backend::Auto => !has_module,
            Backend::Module => false,
            Backend::Script => true,
        };
        self.without_module.store(script, Ordering::Relaxed);
        let tracks = self.denials.is_some() && self.target.tells_of_changes() && {
            let tracking = redis::cmd("CLIENT").arg(&["TRACKING", "ON", "NOLOOP"]).to_owned();
            tracking.query_async::<()>(&mut wire).await.is_ok()
        };
        *self.wire.write().unwrap_or_else(PoisonError::into_inner) = Some(wire);
        self.tracks.store(tracks, Ordering::Release);
        Ok(())
    }

    /// What a connection's server told unasked.
    fn told(self: &Arc<Self>, generation: u64, info: PushInfo) {
        if self.generation.load(Ordering::Acquire) != generation {
            return;
        }
        match (info.kind, &self.denials) {
            (PushKind::Disconnection, _) if self.breaker.is_closed() => {
                self.failed("the connection was closed".to_owned(), true);
            }
            (PushKind::Invalidate, Some(denials)) => forget(denials, info.data),
            _ => {}
        }
    }
}

/// Forgets the denials of keys that were changed; of all keys, where none are named.
fn forget(denials: &DenyCache, data: Vec<Value>) {
    match data.into_iter().next() {
        Some(Value::Array(keys)) => {
            for key in keys {
                if let Value::BulkString(key) = key {
                    denials.forget(subject(&key).unwrap_or(&key));
                }
            }
        }
        _ => denials.invalidate_all(),
    }
}

/// ProbeBackoff until one is answered, at longer and longer intervals, or the limiter is gone.
async fn recover(remote: Weak<Remote>) {
    let Some(settings) = remote.upgrade().map(|remote| remote.settings) else { return };
    for wait in ProbeBackoff::new(settings.probe_min, settings.probe_max) {
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
