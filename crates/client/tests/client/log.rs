//! Captures what the client logs.

use std::fmt::Debug;
use std::mem::take;
use std::sync::{Arc, LazyLock, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::NoSubscriber;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// Makes tracing ask all subscribers whether a record is wanted, and cache that. While there is only one subscriber,
/// tracing asks that of the current thread; if another test, without a subscriber, logs first, the record is lost for all.
static SECOND_SUBSCRIBER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));

/// The records of the client on this thread.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Records>>);

#[derive(Default)]
struct Records {
    events: Vec<String>,
    policies: Vec<String>,
}

impl Log {
    /// Captures records on this thread until the guard is dropped.
    pub fn capture() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        LazyLock::force(&SECOND_SUBSCRIBER);
        let guard = tracing::subscriber::set_default(log.clone());
        (log, guard)
    }

    /// The events since the last call, in order.
    pub fn take_events(&self) -> Vec<String> {
        take(&mut self.0.lock().unwrap().events)
    }

    /// The policies that warnings name, in order.
    pub fn policies(&self) -> Vec<String> {
        self.0.lock().unwrap().policies.clone()
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && metadata.target().starts_with("ratelog_client")
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut *self.0.lock().unwrap());
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Visit for Records {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "event" {
            self.events.push(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "policy" {
            self.policies.push(format!("{value:?}"));
        }
    }
}
