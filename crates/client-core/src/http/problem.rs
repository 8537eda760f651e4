use std::slice::from_ref;

use ratelog_core::Decision;
use serde_json::json;

use super::NamedRules;
use super::binding_rules::binding_rules;
use crate::Source;
use crate::most_binding::most_binding_of;

/// The `type` of the problem details of a denied request.
pub const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";

/// The media type of problem details.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The body of a 429 response: problem details (RFC 9457), with the media type [`PROBLEM_JSON`].
///
/// A JSON object with these members, in any order:
///
/// - `type`: [`QUOTA_EXCEEDED`]
/// - `title`: a sentence
/// - `status`: 429
/// - `violated-policies`: an array with the binding rule's name, as in the headers. Empty for a decision with
///   [`Source::Fallback`], which counted nothing: no quota was exceeded.
/// - `retry_after_ms`: milliseconds; null if the check can never be allowed
#[must_use]
pub fn problem(rules: &NamedRules, decision: &Decision, source: Source) -> String {
    problem_of_set(from_ref(rules), rules.policy_header(), &[Some((*decision, source))])
}

/// The problem details for several decisions, at most one per element of `set`. `policy_header` lists the rules of the
/// whole set.
pub(super) fn problem_of_set(
    set: &[NamedRules],
    policy_header: &str,
    decisions: &[Option<(Decision, Source)>],
) -> String {
    let named = binding_rules(set, policy_header, decisions).named;
    let denied = named.iter().filter(|(_, decision)| !decision.allowed);
    let violated: Vec<_> = denied.map(|(name, _)| name.as_str()).collect();
    let binding = most_binding_of(decisions.iter().flatten().map(|(decision, _)| decision));
    let problem = json!({
        "type": QUOTA_EXCEEDED,
        "title": "Request cannot be satisfied as assigned quota has been exceeded",
        "status": 429,
        "violated-policies": violated,
        "retry_after_ms": binding.and_then(|decision| decision.retry_after),
    });
    problem.to_string()
}
