use std::borrow::Cow;

use ratelog_core::{Decision, Rule};
use sfv::StringRef;

use super::NamedRules;
use super::named_rules::{self, NamedRule};
use crate::Source;

/// The rules that decisions report.
pub(super) struct BindingRules<'a, 'd> {
    /// The name of each, with its decision.
    pub(super) named: Vec<(Cow<'a, StringRef>, &'d Decision)>,
    /// A `RateLimit-Policy` that lists the rules of the whole set and all of these.
    pub(super) policy_header: Cow<'a, str>,
}

/// The rules that the counted decisions report. `decisions` has at most one per element of `set`, and `policy_header` lists
/// the rules of the whole set.
pub(super) fn binding_rules<'a, 'd>(
    set: &'a [NamedRules],
    policy_header: &'a str,
    decisions: &'d [Option<(Decision, Source)>],
) -> BindingRules<'a, 'd> {
    let mut named = Vec::with_capacity(set.len());
    let mut added: Vec<NamedRule> = Vec::new();
    for (rules, decision) in set.iter().zip(decisions) {
        let Some(decision) = decision.as_ref().and_then(counted) else { continue };
        let rule = Rule::new(decision.limit, decision.window);
        let name = rules.name_of(rule).map_or_else(
            || {
                let is_used = |name: &_| {
                    added.iter().any(|added| added.name == *name)
                        || set.iter().any(|rules| rules.has_name(name))
                };
                let name = rules.unlisted_name(rule, is_used);
                added.push(NamedRule { name: name.clone(), rule });
                Cow::Owned(name)
            },
            Cow::Borrowed,
        );
        named.push((name, decision));
    }
    let policy_header = if added.is_empty() {
        policy_header.into()
    } else {
        join(policy_header.to_owned(), &named_rules::policy_header(&added)).into()
    };
    BindingRules { named, policy_header }
}

/// The decision, unless it counted nothing. Its rule and its numbers are then no facts.
pub(super) fn counted((decision, source): &(Decision, Source)) -> Option<&Decision> {
    source.has_counts().then_some(decision)
}

/// Joins two Structured Field Lists.
pub(super) fn join(list: String, more: &str) -> String {
    match (list.as_str(), more) {
        ("", more) => more.to_owned(),
        (_, "") => list,
        (list, more) => format!("{list}, {more}"),
    }
}
