/// What this node remembers of a key and tells no other: no part of its value.
///
/// One word: a value is two cache lines, and not a byte more.
#[derive(Clone, Copy, Default)]
pub struct Notes(u64);

/// When a key expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It stays.
    Never,
    /// In milliseconds since the Unix epoch.
    At(i64),
}

const DENIED: u64 = 1;
const UNKNOWN: u64 = 0;
const NEVER: u64 = u64::MAX >> 1;

impl Notes {
    /// When the key is set to expire, so that a check need not look it up; `None` where that is not known.
    pub fn expiry(self) -> Option<Expiry> {
        match self.0 >> 1 {
            UNKNOWN => None,
            NEVER => Some(Expiry::Never),
            at => Some(Expiry::At(at.cast_signed())),
        }
    }

    /// Remembers when the key is set to expire; an instant that cannot be remembered is not known.
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

    /// Remembers whether the last check was denied. Returns whether that is the first since one was allowed.
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
    use super::{Expiry, Notes};

    #[test]
    fn an_expiry_and_a_denial_share_a_word() {
        let mut notes = Notes::default();
        assert_eq!(notes.expiry(), None);
        assert!(notes.is_first_denial(true));
        for expiry in [Some(Expiry::At(1_700_000_000_000)), Some(Expiry::Never), None] {
            notes.set_expiry(expiry);
            assert_eq!(notes.expiry(), expiry);
            assert!(!notes.is_first_denial(true));
        }
        notes.set_expiry(Some(Expiry::At(7)));
        assert!(!notes.is_first_denial(false));
        assert!(notes.is_first_denial(true));
        assert_eq!(notes.expiry(), Some(Expiry::At(7)));
        for odd in [0, -1, i64::MAX] {
            notes.set_expiry(Some(Expiry::At(odd)));
            assert_eq!(notes.expiry(), None);
        }
    }
}
