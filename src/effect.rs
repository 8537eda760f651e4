//! What a command does to a key: the only way a value changes, here, on a replica, and from the
//! append-only file. The effect is replicated, never the question.

use std::ffi::CStr;

use ratelog_core::{Cost, Instant, Limit, Window};

use crate::error::Error;
use crate::request::{self, Bounds};
use crate::server::WriteKey;
use crate::value::Lifetime;

/// The internal command that repeats an effect.
pub const COMMAND: &CStr = c"RL._APPLY";
/// The word of the internal command that sets a key's whole value; the append-only file's rewrite uses it.
pub const LOAD: &CStr = c"LOAD";

/// Internal commands were checked where they came from, so only what a value can hold bounds them.
const BOUNDS: Bounds = Bounds { limit: Limit::new(u32::MAX).unwrap(), window: Window::MAX };

/// One change of one key's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Units are recorded.
    Record {
        /// When.
        instant: Instant,
        /// How many.
        cost: Cost,
        /// The longest window of the check.
        window: Window,
    },
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
}

impl Effect {
    /// The word that names the effect in the internal command.
    pub const fn word(&self) -> &'static CStr {
        match self {
            Self::Record { .. } => c"RECORD",
            Self::Shift { .. } => c"SHIFT",
            Self::Refund { .. } => c"REFUND",
            Self::Reset => c"RESET",
        }
    }

    /// Reads the arguments of the internal command after the key and `word`.
    ///
    /// # Errors
    /// [`Error`] names the first argument that is wrong, missing or too many.
    pub fn parse<'a>(word: &[u8], args: impl Iterator<Item = &'a [u8]>) -> Result<Self, Error> {
        let mut args = args;
        let mut next = || args.next().ok_or(Error::Arity);
        let effect = match word.to_ascii_uppercase().as_slice() {
            b"RECORD" => Self::Record {
                instant: request::parse_instant(next()?)?,
                cost: request::parse_cost("units", next()?, &BOUNDS)?,
                window: parse_window_ms(next()?)?,
            },
            b"SHIFT" => Self::Shift { instant: request::parse_instant(next()?)? },
            b"REFUND" => Self::Refund {
                instant: request::parse_instant(next()?)?,
                units: request::parse_cost("units", next()?, &BOUNDS)?,
            },
            b"RESET" => Self::Reset,
            _ => return Err(Error::UnknownKeyword(word.into())),
        };
        args.next().map_or(Ok(effect), |more| Err(Error::Unexpected(more.into())))
    }

    /// Applies the effect to `key` and sees to its lifetime. Returns the units a refund took back.
    ///
    /// A pure function of the key's value and the effect, wherever it is carried out.
    pub fn apply(&self, key: &mut WriteKey<'_>) -> u64 {
        let mut taken = 0;
        match *self {
            Self::Record { instant, cost, window } => {
                key.value_or_create().log.record(instant, cost, window);
            }
            Self::Shift { instant } => {
                key.value().map(|value| value.log.shift(instant));
            }
            Self::Refund { instant, units } => {
                taken = key.value().map_or(0, |value| value.log.refund(instant, units.units()));
            }
            Self::Reset => {
                if let Some(value) = key.value() {
                    value.log.clear();
                }
            }
        }
        settle(key);
        taken
    }

    /// Applies the effect of a client's command, and passes it on. Returns the units a refund took back.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if the key would be new and there is no memory for it; nothing is changed.
    pub fn commit(&self, key: &mut WriteKey<'_>) -> Result<u64, Error> {
        let ctx = key.context();
        if key.value().is_none() && ctx.is_out_of_memory() {
            return Err(Error::OutOfMemory);
        }
        let taken = self.apply(key);
        ctx.propagate(key.name(), self);
        Ok(taken)
    }
}

/// Deletes a key that holds nothing any more, moves its expiry if it must, and tells that it has changed.
fn settle(key: &mut WriteKey<'_>) {
    let Some(known) = key.value().map(|value| value.expires_at) else { return };
    let expires_at = known.or_else(|| key.expires_at());
    match key.value().map(|value| value.lifetime(expires_at)) {
        Some(Lifetime::Over) | None => key.delete(),
        Some(Lifetime::Until(at)) => key.set_expires_at(at),
        Some(Lifetime::Kept) => {}
    }
    key.signal_modified();
}

fn parse_window_ms(text: &[u8]) -> Result<Window, Error> {
    ratelog_core::parse_decimal(text).and_then(Window::from_millis).ok_or_else(|| Error::Integer {
        name: "window_ms",
        given: text.into(),
        max: Window::MAX.millis(),
    })
}
