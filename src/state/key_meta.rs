/// Metadata that this node caches about a key. It is not part of the value, and is neither saved nor replicated.
///
/// The metadata is one word, so that a value fits in two cache lines.
#[derive(Clone, Copy, Default)]
pub struct KeyMeta(u64);

/// The expiry of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// The key does not expire.
    Never,
    /// The key expires at this time, in milliseconds since the Unix epoch.
    At(i64),
}

const DENIED: u64 = 1;
const UNKNOWN: u64 = 0;
const NEVER: u64 = u64::MAX >> 1;

impl KeyMeta {
    /// Returns the key's cached expiry, or `None` if it is unknown. The cache saves a check from looking the expiry up.
    pub fn expiry(self) -> Option<Expiry> {
        match self.0 >> 1 {
            UNKNOWN => None,
            NEVER => Some(Expiry::Never),
            at => Some(Expiry::At(at.cast_signed())),
        }
    }

    /// Caches the key's expiry. A time that does not fit in the word is stored as unknown.
    pub fn set_expiry(&mut self, expiry: Option<Expiry>) {
        let word = match expiry {
            Some(Expiry::Never) => NEVER,
            Some(Expiry::At(at)) => {
                u64::try_from(at).ok().filter(|at| *at < NEVER).unwrap_or(UNKNOWN)
            }
            None => UNKNOWN,
        };
        self.0 = word << 1 | self.0 & DENIED;
    }

    /// Stores whether the last check was denied. Returns whether it is the first denied check since an allowed one.
    pub fn is_first_denial(&mut self, denied: bool) -> bool {
        let before = self.0 & DENIED;
        let now = u64::from(denied);
        if before != now {
            self.0 ^= DENIED;
        }
        now > before
    }
}

#[cfg(test)]
mod tests {
    use super::{Expiry, KeyMeta};

    #[test]
    fn an_expiry_and_a_denial_share_a_word() {
        let mut meta = KeyMeta::default();
        assert_eq!(meta.expiry(), None);
        assert!(meta.is_first_denial(true));
        for expiry in [Some(Expiry::At(1_700_000_000_000)), Some(Expiry::Never), None] {
            meta.set_expiry(expiry);
            assert_eq!(meta.expiry(), expiry);
            assert!(!meta.is_first_denial(true));
        }
        meta.set_expiry(Some(Expiry::At(7)));
        assert!(!meta.is_first_denial(false));
        assert!(meta.is_first_denial(true));
        assert_eq!(meta.expiry(), Some(Expiry::At(7)));
        for odd in [0, -1, i64::MAX] {
            meta.set_expiry(Some(Expiry::At(odd)));
            assert_eq!(meta.expiry(), None);
        }
    }
}
