use ratelog_core::{DecidedBy, Evaluation};

/// How checks ended, since the server started or the counts were reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them; each key of a check of several counts.
    pub checks: u64,
    /// Those answered as allowed.
    pub allowed: u64,
    /// Those answered as denied.
    pub denied: u64,
    /// Those answered as allowed that a policy in shadow would have denied.
    pub shadow_denied: u64,
    /// Those that an override decided.
    pub overridden: u64,
}

impl Counts {
    /// The counts by name, in the order in which they are shown.
    pub fn fields(&self) -> [(&'static str, u64); 5] {
        [
            ("checks", self.checks),
            ("allowed", self.allowed),
            ("denied", self.denied),
            ("shadow_denied", self.shadow_denied),
            ("overridden", self.overridden),
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
        match evaluation.decided_by {
            DecidedBy::Rules => {}
            DecidedBy::Shadow => self.shadow_denied += 1,
            DecidedBy::Override => self.overridden += 1,
        }
    }
}
