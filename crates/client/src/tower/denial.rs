use http::request::Parts;

use super::applied_limits::Decided;
use crate::Decision;

/// A denied request, for [`RateLimitLayer::on_denied`](super::RateLimitLayer::on_denied).
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Denial<'a> {
    /// The request's head.
    pub request: &'a Parts,
    /// The denial with the longest retry-after.
    pub decision: &'a Decision,
    pub(super) decided: &'a Decided,
}

impl Denial<'_> {
    /// The decisions on the request's limits, in order. If the deny cache denies the request, only its denials.
    pub fn decisions(&self) -> &[Decision] {
        self.decided.decisions()
    }

    /// The body of the default response: problem details (RFC 9457) as JSON, with the names of the denied limits. A denial
    /// by a fixed fallback counted nothing and adds no name.
    #[must_use]
    pub fn problem(&self) -> String {
        self.decided.problem()
    }
}
