//! What a command does to a key: the only way a value changes, here, on a replica, and from the
//! append-only file. The effect is replicated, never the question.

use std::ffi::CStr;

use ratelog_core::{Cost, Instant, Override, Window};

use crate::error::Error;
use crate::notes::Expiry;
use crate::override_text;
use crate::request::{self, Bounds};
use crate::server::WriteKey;
use crate::value::Lifetime;

/// The internal command that repeats an effect on one key.
pub const APPLY: &CStr = c"RL._APPLY";
/// The internal command that records units, at one key or several at once.
pub const RECORD: &CStr = c"RL._RECORD";
/// The word of [`APPLY`] that sets a key's whole value; the append-only file's rewrite uses it.
pub const LOAD: &CStr = c"LOAD";

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Units are recorded.
    Record(Record),
    /// The log is shifted back to a clock that is behind it.
    Shift {
        /// What the clock reads.
        instant: Instant,
    },
    /// The newest units are taken back.
    Refund {
        /// When.
        instant: Instant,
        /// How many at most.
        units: Cost,
    },
    /// All units are forgotten.
    Reset,
    /// An operator puts an override on the key, or takes it away.
    Override {
        /// When.
        instant: Instant,
        /// What is put; `None` takes it away.
        put: Option<Box<Override>>,
    },
}

/// Units that are recorded at one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// When.
    pub instant: Instant,
    /// How many.
    pub cost: Cost,
    /// The longest window of the check.
    pub window: Window,
}

impl Effect {
    /// Reads the arguments of [`APPLY`] after the key and `word`.
    ///
    /// # Errors
    /// [`Error`] names the first argument that is wrong, missing or too many.
    pub fn parse<'a>(word: &[u8], args: impl Iterator<Item = &'a [u8]>) -> Result<Self, Error> {
        let mut args = args;
        let mut next = || args.next().ok_or(Error::Arity);
        let effect = match word.to_ascii_uppercase().as_slice() {
            b"SHIFT" => Self::Shift { instant: request::parse_instant(next()?)? },
            b"REFUND" => Self::Refund {
                instant: request::parse_instant(next()?)?,
                units: request::parse_cost("units", next()?, &Bounds::WIDEST)?,
            },
            b"RESET" => Self::Reset,
            b"OVERRIDE" => Self::Override {
                instant: request::parse_instant(next()?)?,
                put: override_text::read(next()?)?.map(Box::new),
            },
            _ => return Err(Error::UnknownKeyword(word.into())),
        };
        request::end(args)?;
        Ok(effect)
    }

    /// When it happened; `None` if it is the same at any time.
    fn instant(&self) -> Option<Instant> {
        match *self {
            Self::Record(Record { instant, .. })
            | Self::Shift { instant }
            | Self::Refund { instant, .. }
            | Self::Override { instant, .. } => Some(instant),
            Self::Reset => None,
        }
    }

    /// Applies the effect to `key` and sees to its lifetime. Returns the units a refund took back.
    ///
    /// A pure function of the key's value and the effect, wherever it is carried out.
    pub fn apply(&self, key: &mut WriteKey<'_>) -> u64 {
        let mut taken = 0;
        let value = match self {
            Self::Record(_) | Self::Override { put: Some(_), .. } => Some(key.value_or_create()),
            _ => key.value(),
        };
        let Some(value) = value else { return taken };
        let had_override = value.has_override();
        if let Some(instant) = self.instant() {
            value.drop_lapsed(instant);
        }
        match self {
            Self::Record(record) => value.log.record(record.instant, record.cost, record.window),
            Self::Shift { instant } => {
                value.log.shift(*instant);
            }
            Self::Refund { instant, units } => taken = value.log.refund(*instant, units.units()),
            Self::Reset => value.log.clear(),
            Self::Override { put, .. } => value.set_override(put.as_deref().cloned()),
        }
        let has_override = value.has_override();
        if has_override != had_override {
            key.list_override(has_override);
        }
        settle(key);
        taken
    }

    /// Applies the effect of a client's command, and passes it on. Returns the units a refund took back.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if the key would be new and there is no memory for it; nothing is changed.
    pub fn commit(&self, key: &mut WriteKey<'_>) -> Result<u64, Error> {
        key.admit()?;
        let taken = self.apply(key);
        key.context().propagate(key.name(), self);
        Ok(taken)
    }
}

/// Deletes a key that holds nothing any more, moves its expiry if it must, and tells that it has changed.
fn settle(key: &mut WriteKey<'_>) {
    let Some(known) = key.value().map(|value| value.notes.expiry()) else { return };
    let set = known.unwrap_or_else(|| key.expiry());
    match key.value().map(|value| value.lifetime(set)) {
        Some(Lifetime::Over) | None => key.delete(),
        Some(Lifetime::Set(Expiry::Never)) => key.persist(),
        Some(Lifetime::Set(Expiry::At(at))) => key.set_expires_at(at),
        Some(Lifetime::PolicyEntry) => {}
    }
    key.signal_modified();
}
