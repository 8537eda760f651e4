use http::request::Parts;

use crate::Decision;
use crate::http::NamedRules;

/// A denied request, for [`RateLimitLayer::on_denied`](super::RateLimitLayer::on_denied).
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Denial<'a> {
    /// The request's head.
    pub request: &'a Parts,
    /// The decision.
    pub decision: &'a Decision,
    /// The rules of the request's limits, with their names.
    pub named_rules: &'a NamedRules,
}
