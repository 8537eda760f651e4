use std::time::{Duration, SystemTime};

use ratelog_core::Cost;
use redis::{Value, cmd};

use super::overrides::{self, Override};
use super::{Command, Routing};
use crate::reply::{self, Fault, Fields};

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// The units that are kept.
    pub units: u64,
    /// When the oldest of them were recorded; `None` if there are none.
    pub oldest: Option<SystemTime>,
    /// When the newest of them were recorded; `None` if there are none.
    pub newest: Option<SystemTime>,
    /// How long units are kept.
    pub retention: Duration,
    /// The memory of the value, in bytes.
    pub bytes: u64,
    /// What an operator put on the key.
    pub key_override: Option<Override>,
}

/// Units that were recorded at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The instant, in whole milliseconds of the server's clock.
    pub at: SystemTime,
    /// How many.
    pub units: u64,
}

/// `RL.REFUND`: takes the newest units back, as many as `cost`. Answers how many there were to take.
pub fn refund(key: impl AsRef<[u8]>, cost: Cost) -> Command<u64> {
    let mut words = cmd("RL.REFUND");
    words.arg(key.as_ref()).arg("COST").arg(cost.units());
    Command::new(words, Routing::Primary(1), reply::take)
}

/// `RL.RESET`: forgets the key's units; an override stays. Answers how many there were.
pub fn reset(key: impl AsRef<[u8]>) -> Command<u64> {
    let mut words = cmd("RL.RESET");
    words.arg(key.as_ref());
    Command::new(words, Routing::Primary(1), reply::take)
}

/// `RL.INSPECT`: what the key holds; `None` if it holds nothing.
pub fn inspect(key: impl AsRef<[u8]>) -> Command<Option<Inspection>> {
    let mut words = cmd("RL.INSPECT");
    words.arg(key.as_ref());
    Command::new(words, Routing::Replica(1), |value| reply::optional(value, inspection))
}

/// `RL.HITS`: when the key's units were recorded, newest first.
pub fn hits(key: impl AsRef<[u8]>) -> Command<Vec<Hit>> {
    let mut words = cmd("RL.HITS");
    words.arg(key.as_ref());
    Command::new(words, Routing::Replica(1), |value| reply::each(value, hit))
}

/// `RL.HITS key COUNT n`: the newest `count` of them.
pub fn newest_hits(key: impl AsRef<[u8]>, count: u32) -> Command<Vec<Hit>> {
    let mut words = cmd("RL.HITS");
    words.arg(key.as_ref()).arg("COUNT").arg(count);
    Command::new(words, Routing::Replica(1), |value| reply::each(value, hit))
}

fn inspection(value: Value) -> Result<Inspection, Fault> {
    let mut fields = Fields::of(value)?;
    let mut instant = |name| fields.take::<Option<u64>>(name)?.map(reply::instant).transpose();
    let (oldest, newest) = (instant("oldest_ms")?, instant("newest_ms")?);
    Ok(Inspection {
        units: fields.take("units")?,
        oldest,
        newest,
        retention: Duration::from_millis(fields.take("retention_ms")?),
        bytes: fields.take("bytes")?,
        key_override: reply::optional(fields.value("override")?, overrides::read)?,
    })
}

fn hit(value: Value) -> Result<Hit, Fault> {
    let (at, units) = reply::take(value)?;
    Ok(Hit { at: reply::instant(at)?, units })
}
