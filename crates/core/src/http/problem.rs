use serde_json::json;

use super::Limits;
use crate::Decision;

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
pub fn problem(limits: &Limits, decision: &Decision) -> String {
    let problem = json!({
        "type": QUOTA_EXCEEDED,
        "title": "Request cannot be satisfied as assigned quota has been exceeded",
        "status": 429,
        "violated-policies": [limits.binding(decision).name.as_str()],
        "retry_after_ms": decision.retry_after,
    });
    problem.to_string()
}
