use ratelog_core::{DecidedBy, Evaluation};

/// Checks by result, since the server started or the counts were reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All checks. A check of several keys counts once for each key.
    pub checks: u64,
    /// Checks whose reply was allowed.
    pub allowed: u64,
    /// Checks whose reply was denied.
    pub denied: u64,
    /// Checks whose reply was allowed, but that a shadow policy would have denied.
    pub shadow_denied: u64,
    /// Checks that an override decided.
    pub overridden: u64,
    /// Checks that rules allowed and that left at most a fifth of the limit.
    pub near: u64,
}

impl Counts {
    /// Returns the counts with their names, in display order.
    pub fn fields(&self) -> [(&'static str, u64); 6] {
        [
            ("checks", self.checks),
            ("allowed", self.allowed),
            ("denied", self.denied),
            ("shadow_denied", self.shadow_denied),
            ("overridden", self.overridden),
            ("near", self.near),
        ]
    }

    /// Counts one check.
    pub fn add(&mut self, evaluation: &Evaluation) {
        self.checks += 1;
        if evaluation.decision.allowed {
            self.allowed += 1;
        } else {
            self.denied += 1;
        }
        self.near += u64::from(evaluation.is_near_limit());
        match evaluation.decided_by {
            DecidedBy::Rules => {}
            DecidedBy::Shadow => self.shadow_denied += 1,
            DecidedBy::Override => self.overridden += 1,
        }
    }
}
