use crate::{Instant, Rules};

/// An operator's override of one key. It takes precedence over the rules of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The action.
    pub action: Action,
    /// The instant at which the override ends, or `None` if it does not end.
    pub until: Option<Instant>,
}

/// The effect of an override on checks of its key.
#[allow(clippy::large_enum_variant, reason = "overrides are few, and each is boxed")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Allows the checks without recording units.
    Allow,
    /// Denies the checks.
    Deny,
    /// Applies these rules in place of the check's rules.
    Limit(Rules),
}

impl Override {
    /// Returns whether the override has not ended at `now`. At the instant [`until`](Self::until), it has ended.
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
