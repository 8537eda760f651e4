//! The settings of a layer, which prepare a request and respond in place of the service.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::request::Parts;
use http::{HeaderMap, Method, Response, header};

use super::applied_limits::{AppliedLimits, Decided};
use super::body::LayerBody;
use super::denial::Denial;
use super::{CheckError, Key, OnCheckError, RouteLimits, responses};
use crate::RateLimiter;
use crate::http::HeaderFamily;

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) limiter: RateLimiter,
    pub(super) family: HeaderFamily,
    pub(super) limits: LimitsOfRequest,
    pub(super) on_denied: Arc<DeniedFn>,
    pub(super) on_check_error: Arc<CheckErrorFn>,
    pub(super) count_if: Option<Arc<CountFn>>,
    pub(super) count_preflight: bool,
    /// Whether the log says that requests have no key.
    pub(super) is_missing_logged: Arc<AtomicBool>,
}

/// The source of a request's limits.
#[derive(Clone)]
pub(super) struct LimitsOfRequest {
    /// An asynchronous function that returns limits and keys.
    pub(super) resolve: Option<Arc<ResolveFn>>,
    /// Functions that return one limit and its key.
    pub(super) each: Vec<(Arc<LimitsFn>, Arc<KeyFn>)>,
}

/// Limits, each with its key.
pub(super) type Limited = Vec<(RouteLimits, Key)>;

pub(super) type LimitsFn = dyn Fn(&Parts) -> Option<RouteLimits> + Send + Sync;
pub(super) type KeyFn = dyn Fn(&Parts) -> Key + Send + Sync;
pub(super) type ResolveFuture = Pin<Box<dyn Future<Output = Limited> + Send>>;
pub(super) type ResolveFn = dyn Fn(Parts) -> ResolveFuture + Send + Sync;
pub(super) type DeniedFn = dyn Fn(&Denial<'_>) -> Response<LayerBody> + Send + Sync;
pub(super) type CheckErrorFn = dyn Fn(&CheckError) -> OnCheckError + Send + Sync;
pub(super) type CountFn = dyn Fn(&Response<()>) -> bool + Send + Sync;

/// A request before its check.
pub(super) enum Prepared {
    Exempt,
    /// Some of its limits are not known yet; the others are.
    Resolve(ResolveFuture, Limited),
    Check(AppliedLimits),
    Failed(CheckError),
}

impl Settings {
    pub(super) fn prepare(&self, request: &Parts) -> Prepared {
        if !self.count_preflight && is_preflight(request) {
            return Prepared::Exempt;
        }
        let LimitsOfRequest { resolve, each } = &self.limits;
        let each = each.iter().filter_map(|(limits, key)| {
            let limits = limits(request)?;
            Some((limits, key(request)))
        });
        match resolve {
            Some(resolve) => Prepared::Resolve(resolve(request.clone()), each.collect()),
            None => self.apply(each),
        }
    }

    /// Applies limits with their keys. Never returns [`Prepared::Resolve`].
    pub(super) fn apply(&self, limited: impl IntoIterator<Item = (RouteLimits, Key)>) -> Prepared {
        let mut applied = Vec::new();
        for (limits, key) in limited {
            match key {
                Key::Value(key) => applied.push((limits.prefixed_key(key), limits)),
                Key::Exempt => {}
                Key::Missing(missing) => {
                    let error = CheckError::MissingKey(missing);
                    if !self.is_missing_logged.swap(true, Ordering::Relaxed) {
                        tracing::error!(event = "missing_key", %error, "a request cannot be checked");
                    }
                    return Prepared::Failed(error);
                }
            }
        }
        let applied = AppliedLimits::new(applied);
        if applied.is_empty() { Prepared::Exempt } else { Prepared::Check(applied) }
    }

    /// The response to a request that cannot be checked; `None` to call the service.
    pub(super) fn respond_to_error(
        &self,
        error: &CheckError,
        request: &HeaderMap,
    ) -> Option<Response<LayerBody>> {
        match (self.on_check_error)(error) {
            OnCheckError::Serve => None,
            OnCheckError::Reject => Some(responses::unchecked(request)),
        }
    }

    pub(super) fn respond_to_denial(
        &self,
        request: &Parts,
        decided: &Decided,
    ) -> Option<Response<LayerBody>> {
        let denial = Denial { request, decision: decided.binding()?, decided };
        let mut response = (self.on_denied)(&denial);
        decided.add_headers(response.headers_mut(), self.family);
        Some(response)
    }
}

/// Whether it is the request by which a browser asks for permission (CORS). The request that follows counts.
fn is_preflight(request: &Parts) -> bool {
    request.method == Method::OPTIONS
        && request.headers.contains_key(header::ORIGIN)
        && request.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}
