//! The record of changes: a stream in the servers, and lines of JSON on standard output.

use std::collections::{HashMap, VecDeque};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ratelog_client::Error;
use ratelog_client::command::{Command, Routing};
use ratelog_client::redis::{self, Value};
use serde::{Deserialize, Serialize};
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use utoipa::ToSchema;

use super::failure::Failure;
use super::operator_deployment::OperatorDeployment;
use super::policy_nodes::{self, NodeOutcome};
use crate::auth::Identity;
use crate::clock::now_ms;

/// The key of the stream.
pub const STREAM: &str = "ratelog:audit";
/// The entries that the stream keeps, about.
const MAX_ENTRIES: u32 = 10_000;
/// The most bytes of a value before or after: the import of many policies has long ones.
const MAX_TEXT: usize = 4_096;
/// The entries that this process keeps if the servers do not store them.
const MAX_UNSTORED: usize = 500;

/// One change, or the attempt of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// When, in milliseconds since the epoch.
    pub at_ms: u64,
    /// Who: the name of the user.
    pub user: String,
    /// How the user signed in: `password`, `link`, `token`, `proxy` or `oidc`.
    pub method: String,
    /// From where: the user's address.
    pub address: String,
    /// What: `reset`, `refund`, `set_override`, `delete_override`, `set_policy`, `delete_policy`, `import_policies`.
    pub action: String,
    /// The key as in the paths of the API, or the policy.
    pub target: String,
    /// The value before.
    pub before: String,
    /// The value after.
    pub after: String,
    /// `done`, `failed` or `unknown`. A change on several nodes is `done` if it is on all of them.
    pub outcome: String,
    /// Why it failed, or why its outcome is unknown; of a change on several nodes, on which of them.
    pub error: String,
}

/// A change that is about to be made.
#[derive(Clone, Debug)]
pub struct Change {
    /// What: see [`Entry::action`].
    pub action: &'static str,
    /// The key as in the paths of the API, or the policy.
    pub target: String,
    /// The value before.
    pub before: String,
    /// The value after.
    pub after: String,
}

/// Records changes.
pub struct Audit {
    operator: Arc<OperatorDeployment>,
    /// The newest entries that the servers have not stored yet, oldest first, and why.
    unstored: Mutex<(VecDeque<Entry>, Option<String>)>,
    last_instant: AtomicU64,
    /// Standard output. Lines that a slow reader leaves for too long are dropped.
    lines: NonBlocking,
    /// Writes the last lines when it is dropped.
    _writer: WorkerGuard,
}

/// The newest entries.
#[derive(Debug, Serialize, ToSchema)]
pub struct Entries {
    /// The entries, newest first.
    pub entries: Vec<Entry>,
    /// Why entries of this process are not stored in the servers.
    pub error: Option<String>,
}

impl Audit {
    /// A record in the stream of these servers.
    #[must_use]
    pub fn new(operator: Arc<OperatorDeployment>) -> Self {
        let (lines, writer) = tracing_appender::non_blocking(std::io::stdout());
        let last_instant = AtomicU64::new(0);
        Self { operator, unstored: Mutex::default(), last_instant, lines, _writer: writer }
    }

    /// Makes a change and records it, whatever its outcome.
    ///
    /// # Errors
    /// That of the change.
    pub async fn run<T>(
        &self,
        identity: &Identity,
        change: Change,
        make: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let make = Box::pin(make);
        self.run_and_judge(identity, change, make, |_, _| ("done", String::new())).await
    }

    /// Makes a change that the servers count and records it, whatever its outcome. `after` describes the value after it
    /// from their count.
    ///
    /// # Errors
    /// That of the change.
    pub async fn run_counted(
        &self,
        identity: &Identity,
        change: Change,
        make: impl Future<Output = Result<u64, Failure>>,
        after: impl FnOnce(u64) -> String,
    ) -> Result<u64, Failure> {
        let judge = |count: &u64, change: &mut Change| {
            change.after = after(*count);
            ("done", String::new())
        };
        let make = Box::pin(make);
        self.run_and_judge(identity, change, make, judge).await
    }

    /// Makes a change on every primary and records it, whatever its outcome on each.
    ///
    /// # Errors
    /// That of the change.
    pub async fn run_on_nodes(
        &self,
        identity: &Identity,
        change: Change,
        make: impl Future<Output = Result<Vec<NodeOutcome>, Failure>>,
    ) -> Result<Vec<NodeOutcome>, Failure> {
        let make = Box::pin(make);
        self.run_and_judge(identity, change, make, |nodes, _| policy_nodes::summary(nodes)).await
    }

    /// Makes a change and records it. `judge` returns the outcome of one that did not fail as a whole, and the
    /// errors; it may correct the change that is recorded.
    async fn run_and_judge<T>(
        &self,
        identity: &Identity,
        mut change: Change,
        make: impl Future<Output = Result<T, Failure>>,
        judge: impl FnOnce(&T, &mut Change) -> (&'static str, String),
    ) -> Result<T, Failure> {
        let result = make.await;
        let (outcome, error) = match &result {
            Ok(done) => judge(done, &mut change),
            Err(failure) if failure.is_outcome_unknown() => ("unknown", failure.detail()),
            Err(failure) => ("failed", failure.detail()),
        };
        let entry = Entry {
            at_ms: self.next_instant(),
            user: identity.user.clone(),
            method: identity.method.to_string(),
            address: identity.address.to_string(),
            action: change.action.to_owned(),
            target: change.target,
            before: change.before,
            after: change.after,
            outcome: outcome.to_owned(),
            error,
        };
        Box::pin(self.record(entry)).await;
        result
    }

    /// The time, in milliseconds since the epoch; another one for each entry, so that no two are equal.
    fn next_instant(&self) -> u64 {
        let now = now_ms();
        // By more than a second, the clock was set back.
        let after = |last: u64| if (now..now + 1_000).contains(&last) { last + 1 } else { now };
        let next = |last: u64| Some(after(last));
        let last = self.last_instant.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        last.map_or(now, after)
    }

    async fn record(&self, mut entry: Entry) {
        if let Ok(line) = serde_json::to_string(&entry) {
            // A reader that has gone or stopped must not fail the change.
            let _ = self.lines.clone().write_all(format!("{line}\n").as_bytes());
        }
        // The servers have the memory for the limits first.
        for text in [&mut entry.before, &mut entry.after, &mut entry.error] {
            shorten(text);
        }
        // Those that the servers have not stored before come first.
        let mut entries = std::mem::take(&mut self.unstored().0);
        entries.push_back(entry);
        while let Some(entry) = entries.front() {
            let add = Command::other(add(entry), Routing::Primary(1));
            if let Err(error) = self.operator.current().await.query(&add).await {
                tracing::warn!(%error, "an entry of the audit is not stored in the servers");
                let mut unstored = self.unstored();
                entries.append(&mut unstored.0);
                while entries.len() > MAX_UNSTORED {
                    entries.pop_front();
                }
                *unstored = (entries, Some(error.to_string()));
                return;
            }
            entries.pop_front();
        }
        self.unstored().1 = None;
    }

    fn unstored(&self) -> MutexGuard<'_, (VecDeque<Entry>, Option<String>)> {
        self.unstored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest entries, at most `count`.
    pub async fn newest(&self, count: usize) -> Entries {
        let mut range = redis::cmd("XREVRANGE");
        range.arg(STREAM).arg("+").arg("-").arg("COUNT").arg(count);
        let range = Command::other(range, Routing::Primary(1));
        let reply = self.operator.current().await.query(&range).await;
        let (unstored, mut error) = self.unstored().clone();
        let mut entries: Vec<_> = unstored.into();
        match reply.and_then(parse) {
            Ok(stored) => entries.extend(stored),
            Err(failure) => error = Some(failure.to_string()),
        }
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.at_ms));
        // A server that did not answer may have stored an entry, which was then sent again.
        entries.dedup();
        entries.truncate(count);
        Entries { entries, error }
    }
}

fn shorten(text: &mut String) {
    if text.len() <= MAX_TEXT {
        return;
    }
    let length = text.len();
    let end = (0..=MAX_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    text.truncate(end);
    let _ = std::fmt::Write::write_fmt(
        text,
        format_args!("… ({length} bytes; the whole is on the standard output)"),
    );
}

fn add(entry: &Entry) -> redis::Cmd {
    let mut add = redis::cmd("XADD");
    add.arg(STREAM).arg("MAXLEN").arg("~").arg(MAX_ENTRIES).arg("*");
    add.arg("at_ms").arg(entry.at_ms);
    for (name, value) in [
        ("user", &entry.user),
        ("method", &entry.method),
        ("address", &entry.address),
        ("action", &entry.action),
        ("target", &entry.target),
        ("before", &entry.before),
        ("after", &entry.after),
        ("outcome", &entry.outcome),
        ("error", &entry.error),
    ] {
        add.arg(name).arg(value);
    }
    add
}

/// Parses the reply of `XREVRANGE`. Entries of another form are left out.
fn parse(reply: Value) -> Result<Vec<Entry>, Error> {
    let Value::Array(rows) = reply else {
        let reason = "it is no array".to_owned();
        return Err(Error::Reply { command: "XREVRANGE".to_owned(), reason });
    };
    Ok(rows.into_iter().filter_map(parse_row).collect())
}

fn parse_row(row: Value) -> Option<Entry> {
    let (_, mut fields): (String, HashMap<String, String>) = redis::from_redis_value(row).ok()?;
    let mut text = |name: &str| fields.remove(name).unwrap_or_default();
    Some(Entry {
        at_ms: text("at_ms").parse().ok()?,
        user: text("user"),
        method: text("method"),
        address: text("address"),
        action: text("action"),
        target: text("target"),
        before: text("before"),
        after: text("after"),
        outcome: text("outcome"),
        error: text("error"),
    })
}

#[cfg(test)]
mod tests {
    use ratelog_client::redis::Value;

    use super::{MAX_TEXT, parse, shorten};

    #[test]
    fn an_entry_that_is_no_text_hides_no_other() {
        let text = |text: &[u8]| Value::BulkString(text.to_vec());
        let row = |at_ms: &[u8], user: &[u8]| {
            let fields = [b"at_ms", at_ms, b"user", user].map(text).to_vec();
            Value::Array(vec![text(b"1-0"), Value::Array(fields)])
        };
        let rows = [row(b"3", b"ada"), row(b"2", b"\xff"), Value::Nil, row(b"1", b"bob")];
        let entries = parse(Value::Array(rows.to_vec())).unwrap();
        let users: Vec<_> = entries.iter().map(|entry| &*entry.user).collect();
        assert_eq!(users, ["ada", "bob"]);
        assert!(parse(Value::Okay).is_err());
    }

    #[test]
    fn long_texts_are_shortened() {
        let shortened = |text: String| {
            let mut text = text;
            shorten(&mut text);
            text
        };
        let fits = "x".repeat(MAX_TEXT);
        assert_eq!(shortened(fits.clone()), fits);
        let long = shortened("ä".repeat(MAX_TEXT) + "x");
        assert!(long.starts_with(&"ä".repeat(MAX_TEXT / 2)), "{long}");
        assert!(long.ends_with("ä… (8193 bytes; the whole is on the standard output)"), "{long}");
    }
}
