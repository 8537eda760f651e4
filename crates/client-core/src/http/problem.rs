use std::slice::from_ref;

use serde_json::json;

use super::NamedRules;
use super::limit_set::{bindings, most_binding};
use ratelog_core::Decision;

/// The type of a denial's problem details.
pub const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";

/// The media type of problem details.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A denial as problem details (RFC 9457): the body of a response 429, of the media type [`PROBLEM_JSON`].
///
/// A JSON object with `type`, [`QUOTA_EXCEEDED`]; `title`; `status`, 429; `violated-policies`, an array of one
/// String, the binding rule's name as the fields have it; and `retry_after_ms`, milliseconds or null where the check
/// can never pass. The order of its members is not set.
#[must_use]
pub fn problem(limits: &NamedRules, decision: &Decision) -> String {
    of_several(from_ref(limits), limits.field(), from_ref(decision))
}

/// The problem of the decisions that deny, of one for each of `limits`, which `field` lists.
pub(super) fn of_several(limits: &[NamedRules], field: &str, decisions: &[Decision]) -> String {
    let names = bindings(limits, field, decisions).names;
    let denied = names.iter().zip(decisions).filter(|(_, decision)| !decision.allowed);
    let violated: Vec<_> = denied.map(|(name, _)| name.as_str()).collect();
    let problem = json!({
        "type": QUOTA_EXCEEDED,
        "title": "Request cannot be satisfied as assigned quota has been exceeded",
        "status": 429,
        "violated-policies": violated,
        "retry_after_ms": most_binding(decisions).and_then(|decision| decision.retry_after),
    });
    problem.to_string()
}
