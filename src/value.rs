use ratelog_core::{Instant, Log};

/// The version of [`Value::save`]'s bytes.
pub const ENCODING: i32 = 1;

/// The most that a key may outlive its last unit, in milliseconds, so that its expiry need not be moved
/// by every check; also at most a part of the retention.
const MAX_LINGER: i64 = 1_000;
const LINGER_PART: i64 = 32;

/// What a key holds.
#[derive(Clone, Default)]
pub struct Value {
    /// The units recorded.
    pub log: Log,
    /// When the key is set to expire, in milliseconds since the Unix epoch, so that a check need not look it
    /// up; `None` where that is not known. Not part of the value.
    pub expires_at: Option<i64>,
}

/// What is to happen to a key whose value has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Nothing is left: delete it.
    Over,
    /// It expires when it should.
    Kept,
    /// Make it expire at this instant, in milliseconds since the Unix epoch.
    Until(i64),
}

impl Value {
    /// The value as bytes: a pure function of the effects applied, in the encoding [`ENCODING`].
    pub fn save(&self) -> Vec<u8> {
        self.log.to_snapshot()
    }

    /// The value that `bytes` tell.
    ///
    /// # Errors
    /// Why they tell none: an unknown encoding, or bytes that [`Self::save`] does not give.
    pub fn load(encoding: i32, bytes: &[u8]) -> Result<Self, String> {
        if encoding != ENCODING {
            return Err(format!(
                "its encoding is {encoding}, and this version of ratelog knows {ENCODING}"
            ));
        }
        let log = Log::from_snapshot(bytes).map_err(|error| error.to_string())?;
        if log.is_empty() {
            return Err("it holds nothing".into());
        }
        Ok(Self { log, expires_at: None })
    }

    /// A copy for another key, whose expiry the server sets.
    pub fn copy(&self) -> Self {
        Self { log: self.log.clone(), expires_at: None }
    }

    /// Units kept at `now`.
    pub fn units(&self, now: Instant) -> u64 {
        self.log.at(now).units()
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.log.heap_bytes()
    }

    /// Allocations that freeing the value gives back.
    pub fn allocations(&self) -> usize {
        1 + self.log.allocations()
    }

    /// Passes each allocation inside through `relocate`.
    pub fn relocate(&mut self, relocate: impl FnMut(Box<[u8]>) -> Box<[u8]>) {
        self.log.relocate(relocate);
    }

    /// What is to happen to the key, which is set to expire at `expires_at`.
    pub fn lifetime(&mut self, expires_at: Option<i64>) -> Lifetime {
        let Some(needed) = self.log.expires_at() else {
            return Lifetime::Over;
        };
        let linger = (self.log.retention().cast_signed() / LINGER_PART).min(MAX_LINGER);
        let latest = needed + linger;
        self.expires_at = expires_at;
        if expires_at.is_some_and(|at| (needed..=latest).contains(&at)) {
            Lifetime::Kept
        } else {
            self.expires_at = Some(latest);
            Lifetime::Until(latest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ENCODING, Lifetime, Value};
    use ratelog_core::{Cost, Instant, Window};

    fn record(value: &mut Value, at: i64, window: u64) -> Lifetime {
        let window = Window::from_millis(window).unwrap();
        value.log.record(Instant::from_unix_millis(at).unwrap(), Cost::ONE, window);
        value.lifetime(value.expires_at)
    }

    #[test]
    fn the_expiry_moves_only_when_it_must() {
        let mut value = Value::default();
        assert_eq!(value.lifetime(value.expires_at), Lifetime::Over);
        assert_eq!(record(&mut value, 1_000, 3_200), Lifetime::Until(4_300));
        assert_eq!(record(&mut value, 1_100, 3_200), Lifetime::Kept);
        assert_eq!(record(&mut value, 1_101, 3_200), Lifetime::Until(4_401));
        assert_eq!(record(&mut value, 1_101, 3_600_000), Lifetime::Until(3_602_101));
        let now = Instant::from_unix_millis(1_101).unwrap();
        value.log.refund(now, 1);
        assert_eq!(value.lifetime(value.expires_at), Lifetime::Kept);
        value.log.refund(now, 1);
        assert_eq!(value.lifetime(value.expires_at), Lifetime::Until(3_602_100));
    }

    #[test]
    fn a_copy_asks_when_its_key_expires() {
        let mut value = Value::default();
        record(&mut value, 1_000, 3_200);
        assert_eq!(value.copy().lifetime(Some(4_250)), Lifetime::Kept);
        assert_eq!(value.copy().lifetime(Some(9_000)), Lifetime::Until(4_300));
        assert_eq!(value.copy().lifetime(None), Lifetime::Until(4_300));
    }

    #[test]
    fn another_encoding_is_refused() {
        let mut value = Value::default();
        record(&mut value, 1_000, 3_200);
        assert!(Value::load(ENCODING, &value.save()).is_ok());
        let refusal = Value::load(ENCODING + 1, &value.save()).err().unwrap();
        assert_eq!(refusal, "its encoding is 2, and this version of ratelog knows 1");
        assert!(Value::load(ENCODING, b"").is_err());
    }
}
