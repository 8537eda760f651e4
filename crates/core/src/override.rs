use crate::{Instant, Rules};

/// What an operator put on one key, in place of what its rules say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// What becomes of the key's checks.
    pub action: Action,
    /// When it ends; `None` if it stays.
    pub until: Option<Instant>,
}

/// What an override makes of a check.
#[allow(clippy::large_enum_variant, reason = "there are few overrides, each in a box of its own")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is allowed, and its units are not recorded.
    Allow,
    /// It is denied.
    Deny,
    /// It is decided by these rules in place of the caller's.
    Limit(Rules),
}

impl Override {
    /// Whether it still holds at `now`: it ends at the instant it is set to end at.
    #[must_use]
    pub fn is_live(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Override};
    use crate::Instant;

    #[test]
    fn ends_at_its_instant() {
        let at = |millis| Instant::from_unix_millis(millis).unwrap();
        let until = Override { action: Action::Allow, until: Some(at(10)) };
        assert!(until.is_live(at(9)));
        assert!(!until.is_live(at(10)));
        assert!(Override { action: Action::Deny, until: None }.is_live(Instant::MAX));
    }
}
