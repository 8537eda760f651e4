use ratelog_core::{Instant, Log, Override};

use crate::notes::{Expiry, Notes};
use crate::override_text;

/// The version of [`Value::save`]'s bytes.
pub const ENCODING: i32 = 1;

/// The most that a key may outlive its last unit, in milliseconds, so that its expiry need not be moved
/// by every check; also at most a part of the retention.
const MAX_LINGER: i64 = 5_000;
const LINGER_PART: i64 = 16;

/// What a key holds.
#[derive(Default)]
pub struct Value {
    /// The units recorded.
    pub log: Log,
    /// What only this node remembers.
    pub notes: Notes,
    /// What an operator put on the key, be it over or not.
    put: Option<Box<Override>>,
}

/// A value as it is saved and passed on: a pure function of the effects applied.
#[derive(Debug, PartialEq, Eq)]
pub struct Saved {
    /// The log's snapshot.
    pub log: Vec<u8>,
    /// The override's text.
    pub put: String,
}

/// What is to happen to a key whose value has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Nothing is left: delete it.
    Over,
    /// It expires when it should.
    PolicyEntry,
    /// Make it expire then.
    Set(Expiry),
}

impl Value {
    /// The value in the encoding [`ENCODING`].
    pub fn save(&self) -> Saved {
        Saved { log: self.log.to_snapshot(), put: override_text::write(self.put.as_deref()) }
    }

    /// The value that was saved as the two texts.
    ///
    /// # Errors
    /// Why they tell none: an unknown encoding, or bytes that [`Self::save`] does not give.
    pub fn load(encoding: i32, log: &[u8], put: &[u8]) -> Result<Self, String> {
        if encoding != ENCODING {
            return Err(format!(
                "its encoding is {encoding}, and this version of ratelog knows {ENCODING}"
            ));
        }
        let log = Log::from_snapshot(log).map_err(|error| error.to_string())?;
        let put = override_text::read(put).map_err(|error| error.to_string())?.map(Box::new);
        if log.is_empty() && put.is_none() {
            return Err("it holds nothing".into());
        }
        Ok(Self { log, notes: Notes::default(), put })
    }

    /// A copy for another key, whose expiry the server sets.
    pub fn copy(&self) -> Self {
        Self { log: self.log.clone(), notes: Notes::default(), put: self.put.clone() }
    }

    /// Units kept at `now`.
    pub fn units(&self, now: Instant) -> u64 {
        self.log.at(now).units()
    }

    /// Whether it holds nothing that counts at `now`.
    pub fn is_void(&self, now: Instant) -> bool {
        self.units(now) == 0 && self.live_override(now).is_none()
    }

    /// The log, and the override that holds at `now`.
    pub fn parts(&mut self, now: Instant) -> (&mut Log, Option<&Override>) {
        (&mut self.log, self.put.as_deref().filter(|put| put.is_live(now)))
    }

    /// The override that holds at `now`.
    pub fn live_override(&self, now: Instant) -> Option<&Override> {
        self.put.as_deref().filter(|put| put.is_live(now))
    }

    /// The override, be it over or not.
    pub fn put(&self) -> Option<&Override> {
        self.put.as_deref()
    }

    /// Whether there is an override, be it over or not.
    pub fn has_override(&self) -> bool {
        self.put.is_some()
    }

    /// Puts an override on the key, or takes it away.
    pub fn set_override(&mut self, put: Option<Override>) {
        self.put = put.map(Box::new);
    }

    /// Drops an override that is over at `now`.
    pub fn drop_lapsed(&mut self, now: Instant) {
        if self.put.as_ref().is_some_and(|put| !put.is_live(now)) {
            self.put = None;
        }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let put = self.put.as_deref().map_or(0, size_of_val);
        size_of::<Self>() + self.log.heap_bytes() + put
    }

    /// Allocations that freeing the value gives back.
    pub fn allocations(&self) -> usize {
        1 + self.log.allocations() + usize::from(self.has_override())
    }

    /// Passes each allocation of the log through `relocate`.
    pub fn relocate(&mut self, relocate: impl FnMut(Box<[u8]>) -> Box<[u8]>) {
        self.log.relocate(relocate);
    }

    /// What is to happen to the key, which is set to expire at `set`.
    pub fn lifetime(&mut self, set: Expiry) -> Lifetime {
        let Some((needed, latest)) = self.expiry_range() else {
            return Lifetime::Over;
        };
        let entry = match (set, needed, latest) {
            (Expiry::At(at), Expiry::At(needed), Expiry::At(latest)) => {
                (needed..=latest).contains(&at)
            }
            _ => set == needed,
        };
        let wanted = if entry { set } else { latest };
        self.notes.set_expiry(Some(wanted));
        if entry { Lifetime::PolicyEntry } else { Lifetime::Set(wanted) }
    }

    /// The earliest and the latest that the key may expire; `None` if it holds nothing.
    fn expiry_range(&self) -> Option<(Expiry, Expiry)> {
        let linger = (self.log.retention().cast_signed() / LINGER_PART).min(MAX_LINGER);
        let units = self.log.expires_at().map(|needed| (needed, needed + linger));
        let Some(put) = &self.put else {
            return units.map(|(needed, latest)| (Expiry::At(needed), Expiry::At(latest)));
        };
        Some(match (put.until, units) {
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
    use super::{ENCODING, Lifetime, Value};
    use crate::notes::Expiry;
    use ratelog_core::{Action, Cost, Instant, Override, Window};

    fn at(millis: i64) -> Instant {
        Instant::from_unix_millis(millis).unwrap()
    }

    fn lifetime(value: &mut Value) -> Lifetime {
        let set = value.notes.expiry().unwrap_or(Expiry::Never);
        value.lifetime(set)
    }

    fn record(value: &mut Value, millis: i64, window: u64) -> Lifetime {
        value.log.record(at(millis), Cost::ONE, Window::from_millis(window).unwrap());
        lifetime(value)
    }

    fn until(millis: i64) -> Lifetime {
        Lifetime::Set(Expiry::At(millis))
    }

    fn put(value: &mut Value, until: Option<i64>) {
        value.set_override(Some(Override { action: Action::Allow, until: until.map(at) }));
    }

    #[test]
    fn a_value_is_two_cache_lines() {
        assert_eq!(size_of::<Value>(), 128);
    }

    #[test]
    fn the_expiry_moves_only_when_it_must() {
        let mut value = Value::default();
        assert_eq!(lifetime(&mut value), Lifetime::Over);
        assert_eq!(record(&mut value, 1_000, 3_200), until(4_400));
        assert_eq!(record(&mut value, 1_200, 3_200), Lifetime::PolicyEntry);
        assert_eq!(record(&mut value, 1_201, 3_200), until(4_601));
        assert_eq!(record(&mut value, 1_201, 3_600_000), until(3_606_201));
        value.log.refund(at(1_201), 1);
        assert_eq!(lifetime(&mut value), Lifetime::PolicyEntry);
        value.log.refund(at(1_201), 1);
        assert_eq!(lifetime(&mut value), until(3_606_200));
    }

    #[test]
    fn an_override_keeps_its_key() {
        let mut value = Value::default();
        put(&mut value, Some(9_000));
        assert_eq!(lifetime(&mut value), until(9_000));
        assert_eq!(record(&mut value, 1_000, 3_200), Lifetime::PolicyEntry);
        assert_eq!(record(&mut value, 8_950, 3_200), until(12_350));
        put(&mut value, None);
        assert_eq!(lifetime(&mut value), Lifetime::Set(Expiry::Never));
        assert_eq!(record(&mut value, 20_000, 3_200), Lifetime::PolicyEntry);
        value.set_override(None);
        assert_eq!(lifetime(&mut value), until(23_400));
        value.log.clear();
        assert_eq!(lifetime(&mut value), Lifetime::Over);
    }

    #[test]
    fn an_override_that_is_over_is_as_if_it_never_was() {
        let mut value = Value::default();
        record(&mut value, 1_000, 3_200);
        let plain = value.save();
        put(&mut value, Some(2_000));
        assert!(value.live_override(at(1_999)).is_some());
        assert!(value.live_override(at(2_000)).is_none());
        value.drop_lapsed(at(1_999));
        assert!(value.has_override());
        value.drop_lapsed(at(2_000));
        assert_eq!(value.save(), plain);
        put(&mut value, Some(2_000));
        assert!(!value.is_void(at(2_000)));
        assert!(value.is_void(at(4_200)));
    }

    #[test]
    fn a_copy_asks_when_its_key_expires() {
        let mut value = Value::default();
        record(&mut value, 1_000, 3_200);
        assert_eq!(value.copy().lifetime(Expiry::At(4_250)), Lifetime::PolicyEntry);
        assert_eq!(value.copy().lifetime(Expiry::At(9_000)), until(4_400));
        assert_eq!(value.copy().lifetime(Expiry::Never), until(4_400));
    }

    #[test]
    fn what_was_saved_loads_and_nothing_else() {
        let mut value = Value::default();
        record(&mut value, 1_000, 3_200);
        put(&mut value, Some(2_000));
        let saved = value.save();
        let load = |encoding, log: &[u8], put: &str| Value::load(encoding, log, put.as_bytes());
        assert_eq!(load(ENCODING, &saved.log, &saved.put).unwrap().save(), saved);
        assert!(load(ENCODING, &saved.log, "").is_ok());
        assert!(load(ENCODING, b"", &saved.put).is_ok());
        let refusal = |encoding, log, put| load(encoding, log, put).err().unwrap();
        assert_eq!(
            refusal(ENCODING + 1, &saved.log, ""),
            "its encoding is 2, and this version of ratelog knows 1"
        );
        assert_eq!(refusal(ENCODING, b"", ""), "it holds nothing");
        assert_eq!(refusal(ENCODING, &saved.log, "NOPE -1"), "ERR unknown keyword 'NOPE'");
        assert!(!refusal(ENCODING, b"x", "").is_empty());
    }
}
