use std::sync::Arc;

use ratelog_core::{Instant, Log, Override};

use super::key_meta::{Expiry, KeyMeta};
use super::override_codec;
use super::override_index::StoredOverride;

/// The version of the encoding that [`Value::save`] writes.
pub const ENCODING: i32 = 1;

/// The longest time that a key may remain after its last unit expired, in milliseconds. The delay saves most checks
/// from moving the expiry.
const MAX_EXPIRY_DELAY: i64 = 5_000;
/// The delay is also at most the retention divided by this number.
const EXPIRY_DELAY_DIVISOR: i64 = 16;

/// The value of a key.
#[derive(Default)]
pub struct Value {
    /// The recorded units.
    pub log: Log,
    /// Metadata that this node caches.
    pub meta: KeyMeta,
    /// The override of the key, even if it has ended.
    stored_override: Option<Box<StoredOverride>>,
}

/// A saved value. It depends only on the effects applied to it.
#[derive(Debug, PartialEq, Eq)]
pub struct Saved {
    /// The log's snapshot.
    pub log: Vec<u8>,
    /// The override's text.
    pub key_override: String,
}

/// The change of a key's expiry that follows a change of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiryUpdate {
    /// The value is empty, so the key must be deleted.
    Delete,
    /// The current expiry is correct.
    Unchanged,
    /// The key needs this expiry.
    Set(Expiry),
}

impl Value {
    /// Saves the value in the encoding [`ENCODING`].
    pub fn save(&self) -> Saved {
        Saved {
            log: self.log.to_snapshot(),
            key_override: override_codec::encode(self.key_override()),
        }
    }

    /// Loads a saved value.
    ///
    /// # Errors
    /// The reason: an unknown encoding, or bytes that [`Self::save`] does not write.
    pub fn load(encoding: i32, log: &[u8], key_override: &[u8]) -> Result<Self, String> {
        if encoding != ENCODING {
            return Err(format!(
                "its encoding is {encoding}, but this version of ratelog reads {ENCODING}"
            ));
        }
        let log = Log::from_snapshot(log).map_err(|error| error.to_string())?;
        let key_override =
            override_codec::decode(key_override).map_err(|error| error.to_string())?;
        if log.is_empty() && key_override.is_none() {
            return Err("it is empty".into());
        }
        let mut value = Self { log, ..Self::default() };
        value.set_override(key_override.map(Arc::new));
        Ok(value)
    }

    /// Copies the value for another key. The server sets that key's expiry, and the copy has no entry in the index.
    pub fn copy(&self) -> Self {
        let mut copy = Self { log: self.log.clone(), ..Self::default() };
        let stored = self.stored_override.as_ref();
        copy.set_override(stored.map(|stored| Arc::clone(&stored.key_override)));
        copy
    }

    /// Returns the number of units in the log at `now`.
    pub fn units(&self, now: Instant) -> u64 {
        self.log.at(now).units()
    }

    /// Returns whether the value has neither units nor an override at `now`.
    pub fn is_empty_at(&self, now: Instant) -> bool {
        self.units(now) == 0 && self.live_override(now).is_none()
    }

    /// Returns the log, and the override if it has not ended at `now`.
    pub fn log_and_override(&mut self, now: Instant) -> (&mut Log, Option<&Override>) {
        let stored = self.stored_override.as_ref();
        let found = stored.map(|stored| &*stored.key_override);
        (&mut self.log, found.filter(|found| found.is_live(now)))
    }

    /// Returns the override if it has not ended at `now`.
    pub fn live_override(&self, now: Instant) -> Option<&Override> {
        self.key_override().filter(|found| found.is_live(now))
    }

    /// Returns the override, even if it has ended.
    pub fn key_override(&self) -> Option<&Override> {
        self.stored_override.as_ref().map(|stored| &*stored.key_override)
    }

    /// Returns whether the value has an override without an end.
    pub fn is_permanent(&self) -> bool {
        self.key_override().is_some_and(|found| found.until.is_none())
    }

    /// Returns the override with the number of its entry in the index, even if the override has ended.
    pub fn stored_override(&self) -> Option<&StoredOverride> {
        self.stored_override.as_deref()
    }

    /// Returns the override with the number of its entry in the index, even if the override has ended.
    pub fn stored_override_mut(&mut self) -> Option<&mut StoredOverride> {
        self.stored_override.as_deref_mut()
    }

    /// Sets or removes the override. The new override keeps the number of the entry of the one that it replaces.
    pub fn set_override(&mut self, key_override: Option<Arc<Override>>) {
        self.stored_override = key_override.map(|key_override| {
            let id = self.stored_override.as_ref().and_then(|stored| stored.id);
            Box::new(StoredOverride { key_override, id })
        });
    }

    /// Removes the override if it has ended at `now`.
    pub fn drop_ended_override(&mut self, now: Instant) {
        if self.key_override().is_some_and(|found| !found.is_live(now)) {
            self.stored_override = None;
        }
    }

    /// Returns the used memory in bytes.
    pub fn bytes(&self) -> usize {
        // An `Arc` adds two counts.
        let override_bytes = match self.stored_override {
            None => 0,
            Some(_) => size_of::<StoredOverride>() + 2 * size_of::<usize>() + size_of::<Override>(),
        };
        size_of::<Self>() + self.log.heap_bytes() + override_bytes
    }

    /// Returns the number of allocations that freeing the value releases.
    pub fn allocations(&self) -> usize {
        1 + self.log.allocations() + 2 * usize::from(self.stored_override.is_some())
    }

    /// Passes each allocation of the log through `relocate`.
    pub fn relocate(&mut self, relocate: impl FnMut(Box<[u8]>) -> Box<[u8]>) {
        self.log.relocate(relocate);
    }

    /// Returns the change that the key's expiry, `current`, needs.
    pub fn update_expiry(&mut self, current: Expiry) -> ExpiryUpdate {
        let Some((needed, latest)) = self.expiry_range() else {
            return ExpiryUpdate::Delete;
        };
        let is_right = match (current, needed, latest) {
            (Expiry::At(at), Expiry::At(needed), Expiry::At(latest)) => {
                (needed..=latest).contains(&at)
            }
            _ => current == needed,
        };
        let expiry = if is_right { current } else { latest };
        self.meta.set_expiry(Some(expiry));
        if is_right { ExpiryUpdate::Unchanged } else { ExpiryUpdate::Set(expiry) }
    }

    /// Returns the earliest and the latest expiry that the key may have, or `None` if the value is empty.
    fn expiry_range(&self) -> Option<(Expiry, Expiry)> {
        let retention = self.log.retention().cast_signed();
        let delay = (retention / EXPIRY_DELAY_DIVISOR).min(MAX_EXPIRY_DELAY);
        let units = self.log.expires_at().map(|needed| (needed, needed + delay));
        let Some(key_override) = self.key_override() else {
            return units.map(|(needed, latest)| (Expiry::At(needed), Expiry::At(latest)));
        };
        Some(match (key_override.until, units) {
            (None, _) => (Expiry::Never, Expiry::Never),
            (Some(until), None) => {
                (Expiry::At(until.unix_millis()), Expiry::At(until.unix_millis()))
            }
            (Some(until), Some((needed, latest))) => {
                let until = until.unix_millis();
                (Expiry::At(needed.max(until)), Expiry::At(latest.max(until)))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{ENCODING, ExpiryUpdate, Value};
    use crate::state::Expiry;
    use ratelog_core::{Action, Cost, Instant, Override, Window};

    fn at(millis: i64) -> Instant {
        Instant::from_unix_millis(millis).unwrap()
    }

    fn update(value: &mut Value) -> ExpiryUpdate {
        let current = value.meta.expiry().unwrap_or(Expiry::Never);
        value.update_expiry(current)
    }

    fn record(value: &mut Value, millis: i64, window: u64) -> ExpiryUpdate {
        value.log.record(at(millis), Cost::ONE, Window::from_millis(window).unwrap());
        update(value)
    }

    fn until(millis: i64) -> ExpiryUpdate {
        ExpiryUpdate::Set(Expiry::At(millis))
    }

    fn set_override(value: &mut Value, until: Option<i64>) {
        let key_override = Override { action: Action::Allow, until: until.map(at) };
        value.set_override(Some(Arc::new(key_override)));
    }

    #[test]
    fn a_value_is_two_cache_lines() {
        assert_eq!(size_of::<Value>(), 128);
    }

    #[test]
    fn the_expiry_moves_only_when_it_must() {
        let mut value = Value::default();
        assert_eq!(update(&mut value), ExpiryUpdate::Delete);
        assert_eq!(record(&mut value, 1_000, 3_200), until(4_400));
        assert_eq!(record(&mut value, 1_200, 3_200), ExpiryUpdate::Unchanged);
        assert_eq!(record(&mut value, 1_201, 3_200), until(4_601));
        assert_eq!(record(&mut value, 1_201, 3_600_000), until(3_606_201));
        value.log.refund(at(1_201), 1);
        assert_eq!(update(&mut value), ExpiryUpdate::Unchanged);
        value.log.refund(at(1_201), 1);
        assert_eq!(update(&mut value), until(3_606_200));
    }

    #[test]
    fn a_key_lives_as_long_as_its_override() {
        let mut value = Value::default();
        set_override(&mut value, Some(9_000));
        assert_eq!(update(&mut value), until(9_000));
        assert_eq!(record(&mut value, 1_000, 3_200), ExpiryUpdate::Unchanged);
        assert_eq!(record(&mut value, 8_950, 3_200), until(12_350));
        set_override(&mut value, None);
        assert_eq!(update(&mut value), ExpiryUpdate::Set(Expiry::Never));
        assert_eq!(record(&mut value, 20_000, 3_200), ExpiryUpdate::Unchanged);
        value.set_override(None);
        assert_eq!(update(&mut value), until(23_400));
        value.log.clear();
        assert_eq!(update(&mut value), ExpiryUpdate::Delete);
    }

    #[test]
    fn an_ended_override_is_removed_without_a_trace() {
        let mut value = Value::default();
        record(&mut value, 1_000, 3_200);
        let plain = value.save();
        set_override(&mut value, Some(2_000));
        assert!(value.live_override(at(1_999)).is_some());
        assert!(value.live_override(at(2_000)).is_none());
        value.drop_ended_override(at(1_999));
        assert!(value.key_override().is_some());
        value.drop_ended_override(at(2_000));
        assert_eq!(value.save(), plain);
        set_override(&mut value, Some(2_000));
        assert!(!value.is_empty_at(at(2_000)));
        assert!(value.is_empty_at(at(4_200)));
    }

    #[test]
    fn a_copy_looks_up_the_expiry_of_its_key() {
        let mut value = Value::default();
        record(&mut value, 1_000, 3_200);
        assert_eq!(value.copy().update_expiry(Expiry::At(4_250)), ExpiryUpdate::Unchanged);
        assert_eq!(value.copy().update_expiry(Expiry::At(9_000)), until(4_400));
        assert_eq!(value.copy().update_expiry(Expiry::Never), until(4_400));
    }

    #[test]
    fn only_saved_values_load() {
        let mut value = Value::default();
        record(&mut value, 1_000, 3_200);
        set_override(&mut value, Some(2_000));
        let saved = value.save();
        let load = |encoding, log: &[u8], key_override: &str| {
            Value::load(encoding, log, key_override.as_bytes())
        };
        assert_eq!(load(ENCODING, &saved.log, &saved.key_override).unwrap().save(), saved);
        assert!(load(ENCODING, &saved.log, "").is_ok());
        assert!(load(ENCODING, b"", &saved.key_override).is_ok());
        let reason = |encoding, log, key_override| load(encoding, log, key_override).err().unwrap();
        assert_eq!(
            reason(ENCODING + 1, &saved.log, ""),
            "its encoding is 2, but this version of ratelog reads 1"
        );
        assert_eq!(reason(ENCODING, b"", ""), "it is empty");
        assert_eq!(reason(ENCODING, &saved.log, "NOPE -1"), "ERR unknown keyword 'NOPE'");
        assert!(!reason(ENCODING, b"x", "").is_empty());
    }
}
