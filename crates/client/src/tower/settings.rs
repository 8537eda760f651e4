//! The settings of a layer, which prepare a request and respond in place of the service.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::request::Parts;

use super::denial::Denial;
use super::{CheckError, Key, OnCheckError, RouteLimits, responses};
use crate::RateLimiter;
use crate::http::{HeaderFamily, add_headers};

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) limiter: RateLimiter,
    pub(super) family: HeaderFamily,
    pub(super) limits: Arc<LimitsFn>,
    pub(super) key: Arc<KeyFn>,
    pub(super) on_denied: Arc<DeniedFn>,
    pub(super) on_check_error: Arc<CheckErrorFn>,
}

type LimitsFn = dyn Fn(&Parts) -> Option<RouteLimits> + Send + Sync;
type KeyFn = dyn Fn(&Parts) -> Key + Send + Sync;
type DeniedFn = dyn Fn(&Denial<'_>) -> Response<Bytes> + Send + Sync;
type CheckErrorFn = dyn Fn(&CheckError) -> OnCheckError + Send + Sync;

/// A request before its check.
pub(super) enum Prepared {
    Exempt,
    Check { key: Vec<u8>, limits: RouteLimits },
    Failed(CheckError),
}

impl Settings {
    pub(super) fn prepare(&self, request: &Parts) -> Prepared {
        let Some(limits) = (self.limits)(request) else { return Prepared::Exempt };
        match (self.key)(request) {
            Key::Value(key) => Prepared::Check { key: limits.prefixed_key(key), limits },
            Key::Exempt => Prepared::Exempt,
            Key::Missing(missing) => Prepared::Failed(CheckError::MissingKey(missing)),
        }
    }

    /// The response to a request that cannot be checked; `None` to call the service.
    pub(super) fn respond_to_error(
        &self,
        error: &CheckError,
        request: &http::HeaderMap,
    ) -> Option<Response<Bytes>> {
        match (self.on_check_error)(error) {
            OnCheckError::Serve => None,
            OnCheckError::Reject => Some(responses::unchecked(request)),
        }
    }

    pub(super) fn respond_to_denial(&self, denial: &Denial<'_>) -> Response<Bytes> {
        let mut response = (self.on_denied)(denial);
        add_headers(response.headers_mut(), self.family, denial.named_rules, denial.decision);
        response
    }
}
