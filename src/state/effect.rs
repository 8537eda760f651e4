//! The effects of commands on keys. Only effects change a value: on the server that runs the command, on its replicas,
//! and when the append-only file is loaded. The effect is replicated, never the request.

use std::ffi::CStr;
use std::sync::Arc;

use ratelog_core::{Cost, Instant, Override, Window};

use super::override_codec;
use super::override_index::OverrideId;
use super::value::Value;
use crate::error::Error;
use crate::request::{self, Bounds};

/// The internal command that repeats an effect on one key.
pub const APPLY: &CStr = c"RL._APPLY";
/// The internal command that records units, at one key or several at once.
pub const RECORD: &CStr = c"RL._RECORD";
/// The argument of [`APPLY`] that sets a key's whole value. A rewrite of the append-only file uses it.
pub const LOAD: &CStr = c"LOAD";

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Records units.
    Record(Record),
    /// Shifts the log back to a clock that is behind it.
    Shift {
        /// The clock's time.
        instant: Instant,
    },
    /// Removes the newest units.
    Refund {
        /// The time of the refund.
        instant: Instant,
        /// The maximum number of units.
        units: Cost,
    },
    /// Removes all units.
    Reset,
    /// Sets or removes the key's override.
    Override {
        /// The time of the change.
        instant: Instant,
        /// The new override. `None` removes the current one.
        key_override: Option<Arc<Override>>,
    },
}

/// Units that are recorded at one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The time of the check.
    pub instant: Instant,
    /// The number of units.
    pub cost: Cost,
    /// The longest window of the check.
    pub window: Window,
}

/// The result of applying an effect to a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The number of refunded units.
    pub refunded: u64,
    /// The change that the index of overrides needs, if any.
    pub index_change: Option<IndexChange>,
}

/// A change of the index of overrides that follows a change of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexChange {
    /// The value has an override whose entry is missing or differs.
    Put,
    /// The value has lost the override of this entry.
    Remove(OverrideId),
}

impl Effect {
    /// Parses the arguments of [`APPLY`] after the key and `word`.
    ///
    /// # Errors
    /// [`Error`] names the first argument that is wrong, missing or unexpected.
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
                key_override: override_codec::decode(next()?)?.map(Arc::new),
            },
            _ => return Err(Error::UnknownKeyword(word.into())),
        };
        request::end(args)?;
        Ok(effect)
    }

    /// Returns whether the effect needs a value. If so, a missing key is created.
    pub fn creates_value(&self) -> bool {
        matches!(self, Self::Record(_) | Self::Override { key_override: Some(_), .. })
    }

    /// Returns whether the effect leaves the value with an override without an end, and the key without an expiry.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Override { key_override: Some(key_override), .. } => key_override.until.is_none(),
            _ => false,
        }
    }

    /// Applies the effect. The result depends only on the value and the effect, not on the node.
    pub fn apply(&self, value: &mut Value) -> Outcome {
        let before = value.stored_override().map(|stored| stored.id);
        let is_set = matches!(self, Self::Override { .. });
        // A new override replaces an ended one, and keeps its entry in the index.
        if !is_set && let Some(instant) = self.instant() {
            value.drop_ended_override(instant);
        }
        let mut refunded = 0;
        match self {
            Self::Record(record) => value.log.record(record.instant, record.cost, record.window),
            Self::Shift { instant } => {
                value.log.shift(*instant);
            }
            Self::Refund { instant, units } => refunded = value.log.refund(*instant, units.units()),
            Self::Reset => value.log.clear(),
            Self::Override { instant, key_override } => {
                value.set_override(key_override.clone());
                // Expired units must not keep a key that has lost its override.
                if key_override.is_none() {
                    value.log.drop_expired(*instant);
                }
            }
        }
        let index_change = match (before, value.stored_override()) {
            (Some(Some(id)), None) => Some(IndexChange::Remove(id)),
            (_, Some(stored)) if is_set || stored.id.is_none() => Some(IndexChange::Put),
            _ => None,
        };
        Outcome { refunded, index_change }
    }

    /// Returns the time of the effect, or `None` if its time does not matter.
    fn instant(&self) -> Option<Instant> {
        match *self {
            Self::Record(Record { instant, .. })
            | Self::Shift { instant }
            | Self::Refund { instant, .. }
            | Self::Override { instant, .. } => Some(instant),
            Self::Reset => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ratelog_core::{Action, Cost, Instant, Override, Window};

    use super::{Effect, IndexChange, Outcome, OverrideId, Record};
    use crate::state::Value;

    fn at(millis: i64) -> Instant {
        Instant::from_unix_millis(millis).unwrap()
    }

    fn record(millis: i64, cost: u32) -> Effect {
        Effect::Record(Record {
            instant: at(millis),
            cost: Cost::new(cost).unwrap(),
            window: Window::from_millis(10_000).unwrap(),
        })
    }

    fn set_override(millis: i64, until: i64) -> Effect {
        let key_override = Override { action: Action::Deny, until: Some(at(until)) };
        Effect::Override { instant: at(millis), key_override: Some(Arc::new(key_override)) }
    }

    #[test]
    fn the_same_effects_give_the_same_value() {
        let effects = [
            record(1_000, 5),
            set_override(1_200, 60_000),
            Effect::Refund { instant: at(1_500), units: Cost::new(2).unwrap() },
            Effect::Shift { instant: at(900) },
            record(2_000, 1),
        ];
        let [one, other] = [(); 2].map(|()| {
            let mut value = Value::default();
            for effect in &effects {
                effect.apply(&mut value);
            }
            value.save()
        });
        assert_eq!(one, other);
    }

    #[test]
    fn a_refund_reports_the_refunded_units() {
        let mut value = Value::default();
        assert_eq!(record(1_000, 5).apply(&mut value), Outcome::default());
        let refund = Effect::Refund { instant: at(1_001), units: Cost::new(9).unwrap() };
        assert_eq!(refund.apply(&mut value).refunded, 5);
        assert!(value.log.is_empty());
    }

    #[test]
    fn the_change_of_the_index_is_reported_even_when_the_override_has_ended() {
        let mut value = Value::default();
        let id = OverrideId::new(7);
        let mut apply = |effect: &Effect| {
            let change = effect.apply(&mut value).index_change;
            if let Some(stored) = value.stored_override_mut() {
                stored.id = id;
            }
            change
        };
        let removed = id.map(IndexChange::Remove);
        assert_eq!(apply(&set_override(0, 500)), Some(IndexChange::Put));
        assert_eq!(apply(&set_override(1, 600)), Some(IndexChange::Put));
        assert_eq!(apply(&record(599, 1)), None);
        assert_eq!(apply(&record(600, 1)), removed);

        assert_eq!(apply(&set_override(700, 800)), Some(IndexChange::Put));
        assert_eq!(apply(&Effect::Reset), None);
        let remove = Effect::Override { instant: at(701), key_override: None };
        assert_eq!(apply(&remove), removed);
        assert_eq!(apply(&remove), None);
    }

    #[test]
    fn a_removed_override_takes_expired_units_with_it() {
        let remove = |millis| Effect::Override { instant: at(millis), key_override: None };
        for (millis, units) in [(10_999, 3), (11_000, 1), (11_500, 0)] {
            let mut value = Value::default();
            record(1_000, 2).apply(&mut value);
            record(1_500, 1).apply(&mut value);
            set_override(2_000, 60_000).apply(&mut value);
            remove(millis).apply(&mut value);
            assert_eq!(value.log.at(at(0)).units(), units, "{millis}");
            assert_eq!(value.log.is_empty(), units == 0);
        }
    }

    #[test]
    fn an_override_without_an_entry_gets_one_with_the_next_effect() {
        let mut value = Value::default();
        set_override(0, 500).apply(&mut value);
        assert_eq!(record(1, 1).apply(&mut value).index_change, Some(IndexChange::Put));
    }

    #[test]
    fn only_units_and_overrides_create_a_value() {
        assert!(record(0, 1).creates_value() && set_override(0, 1).creates_value());
        let remove = Effect::Override { instant: at(0), key_override: None };
        for effect in [Effect::Shift { instant: at(0) }, Effect::Reset, remove] {
            assert!(!effect.creates_value());
        }
    }
}
