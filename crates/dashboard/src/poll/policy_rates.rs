use ratelog_client::{Policy, Rule};

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
    /// The same, apart for each rule that nodes with different policies have.
    pub rules: Vec<RuleDenials>,
    /// All checks since the servers started.
    pub checks: u64,
}

/// The checks that one rule of a policy denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleDenials {
    /// The rule's place among the rules of its policy.
    pub index: usize,
    /// The rule; `None` if it has not been read yet.
    pub rule: Option<Rule>,
    /// The checks that it denied.
    pub denied: u64,
}

/// Adds the denials of a node, which has this policy, to those of other nodes.
pub fn add_denials(sums: &mut Vec<RuleDenials>, policy: Option<&Policy>, denied_by_rule: &[u64]) {
    let rules: Vec<_> = policy.map(|policy| policy.rules.iter().collect()).unwrap_or_default();
    for (index, denied) in denied_by_rule.iter().enumerate() {
        let rule = rules.get(index).copied();
        match sums.iter_mut().find(|sum| sum.index == index && sum.rule == rule) {
            Some(sum) => sum.denied += denied,
            None => sums.push(RuleDenials { index, rule, denied: *denied }),
        }
    }
    sums.sort_by_key(|sum| sum.index);
}

#[cfg(test)]
mod tests {
    use ratelog_client::Policy;

    use super::add_denials;
    use crate::operations::policies::parse;

    #[test]
    fn denials_are_added_up_for_equal_rules_in_their_order() {
        let policy = |rules: &str| -> Policy { parse(rules, "enforce").unwrap() };
        let one = policy("10/minute; 100/hour");
        let other = policy("20/minute; 100/hour");
        let mut sums = Vec::new();
        for (policy, denied) in [
            (Some(&one), [1, 2]),
            (Some(&other), [4, 8]),
            (Some(&one), [16, 32]),
            (None, [64, 128]),
        ] {
            add_denials(&mut sums, policy, &denied);
        }
        let texts: Vec<_> = sums
            .iter()
            .map(|sum| (sum.rule.map(|rule| rule.to_string()).unwrap_or_default(), sum.denied))
            .collect();
        let expected = [("10/minute", 17), ("20/minute", 4), ("", 64), ("100/hour", 42), ("", 128)];
        assert_eq!(texts, expected.map(|(rule, denied)| (rule.to_owned(), denied)));
    }
}
