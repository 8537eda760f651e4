use std::time::{Duration, SystemTime};

use ratelog_core::Cost;
use redis::{Value, cmd};

use super::overrides::{self, Override};
use super::{Command, Routing};
use crate::reply::{self, Fields, InvalidReply};

/// The contents of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// The units in the log.
    pub units: u64,
    /// When the oldest units were recorded; `None` if there are none.
    pub oldest: Option<SystemTime>,
    /// When the newest units were recorded; `None` if there are none.
    pub newest: Option<SystemTime>,
    /// How long units stay in the log.
    pub retention: Duration,
    /// The memory that the value uses, in bytes.
    pub bytes: u64,
    /// The key's override, if it has one.
    pub key_override: Option<Override>,
}

/// Units that were recorded at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The instant, in whole milliseconds of the server's clock.
    pub at: SystemTime,
    /// The number of units.
    pub units: u64,
}

/// The options of [`hits`].
///
/// ```
/// use ratelog_client::command::{Hit, HitsOptions};
///
/// /// Returns the options of the page after this one.
/// fn following(page: &[Hit]) -> Option<HitsOptions> {
///     page.last().map(|oldest| HitsOptions::default().with_before(oldest.at))
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HitsOptions {
    count: Option<u32>,
    before: Option<SystemTime>,
    after: Option<SystemTime>,
}

impl HitsOptions {
    /// Sets the maximum number of hits, from 1 to 10,000. The default is 1,000.
    #[must_use]
    pub fn with_count(self, count: u32) -> Self {
        Self { count: Some(count), ..self }
    }

    /// Returns only hits before this instant.
    #[must_use]
    pub fn with_before(self, instant: SystemTime) -> Self {
        Self { before: Some(instant), ..self }
    }

    /// Returns only hits after this instant.
    #[must_use]
    pub fn with_after(self, instant: SystemTime) -> Self {
        Self { after: Some(instant), ..self }
    }
}

/// `RL.REFUND`: takes back the newest units, at most `cost`. Returns the units taken back.
pub fn refund(key: impl AsRef<[u8]>, cost: Cost) -> Command<u64> {
    let mut cmd = cmd("RL.REFUND");
    cmd.arg(key.as_ref()).arg("COST").arg(cost.units());
    Command::new(cmd, Routing::Primary(1), reply::parse)
}

/// `RL.RESET`: deletes the key's units, and keeps its override. Returns the number of deleted units.
pub fn reset(key: impl AsRef<[u8]>) -> Command<u64> {
    let mut cmd = cmd("RL.RESET");
    cmd.arg(key.as_ref());
    Command::new(cmd, Routing::Primary(1), reply::parse)
}

/// `RL.INSPECT`: the contents of the key; `None` if the key does not exist.
pub fn inspect(key: impl AsRef<[u8]>) -> Command<Option<Inspection>> {
    let mut cmd = cmd("RL.INSPECT");
    cmd.arg(key.as_ref());
    Command::new(cmd, Routing::Replica(1), |value| reply::optional(value, inspection))
}

/// `RL.HITS`: the instants at which the key's units were recorded, newest first. For the next page, pass the last
/// instant as [`before`](HitsOptions::with_before).
pub fn hits(key: impl AsRef<[u8]>, options: &HitsOptions) -> Command<Vec<Hit>> {
    let mut cmd = cmd("RL.HITS");
    cmd.arg(key.as_ref());
    if let Some(count) = options.count {
        cmd.arg("COUNT").arg(count);
    }
    // Hits are at whole milliseconds: the bounds are exact if `before` is rounded up and `after` down.
    if let Some(before) = options.before {
        cmd.arg("BEFORE").arg(since_epoch(before).as_nanos().div_ceil(1_000_000));
    }
    if let Some(after) = options.after {
        cmd.arg("AFTER").arg(since_epoch(after).as_millis());
    }
    Command::new(cmd, Routing::Replica(1), |value| reply::array(value, hit))
}

/// The time since the epoch, or 0 for an instant before it: the server has none.
fn since_epoch(instant: SystemTime) -> Duration {
    instant.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn inspection(value: Value) -> Result<Inspection, InvalidReply> {
    let mut fields = Fields::from_value(value)?;
    let mut time = |name| fields.parse::<Option<u64>>(name)?.map(reply::time).transpose();
    let (oldest, newest) = (time("oldest_ms")?, time("newest_ms")?);
    Ok(Inspection {
        units: fields.parse("units")?,
        oldest,
        newest,
        retention: Duration::from_millis(fields.parse("retention_ms")?),
        bytes: fields.parse("bytes")?,
        key_override: reply::optional(fields.take("override")?, overrides::parse)?,
    })
}

fn hit(value: Value) -> Result<Hit, InvalidReply> {
    let (at, units) = reply::parse(value)?;
    Ok(Hit { at: reply::time(at)?, units })
}
