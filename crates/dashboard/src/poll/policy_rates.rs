use crate::history::Bucket;

/// The checks of one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyRates {
    /// The policy's name.
    pub name: String,
    /// The checks in a second, over the last seconds.
    pub rate: Bucket,
    /// The checks that each rule denied, in the order of the rules, since the servers started.
    pub denied_by_rule: Vec<u64>,
    /// All checks since the servers started.
    pub checks: u64,
}
