use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::applied_limits::{AppliedLimits, Decided};
use crate::{Decision, Error, RateLimiter, Source};

/// The checks that a request has passed, in its extensions. Cheap to clone.
///
/// ```
/// use axum::Extension;
/// use ratelog_client::tower::RequestChecks;
///
/// /// A login that succeeds does not count.
/// async fn login(Extension(checks): Extension<RequestChecks>) -> &'static str {
///     let succeeded = true;
///     if succeeded && let Err(error) = checks.refund().await {
///         eprintln!("the units stay for their window: {error}");
///     }
///     "welcome"
/// }
/// ```
#[derive(Clone)]
pub struct RequestChecks(Arc<Inner>);

struct Inner {
    limiter: RateLimiter,
    limits: AppliedLimits,
    decided: Decided,
    is_refunded: AtomicBool,
}

impl RequestChecks {
    pub(super) fn new(limiter: RateLimiter, limits: AppliedLimits, decided: Decided) -> Self {
        Self(Arc::new(Inner { limiter, limits, decided, is_refunded: AtomicBool::new(false) }))
    }

    /// The decisions, one for each limit of the request.
    pub fn decisions(&self) -> &[Decision] {
        self.0.decided.decisions()
    }

    /// The keys that counted the request, one for each limit.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.0.limits.keys().map(|(key, _)| key)
    }

    /// Takes back the units that the request has recorded, as if it had not come. Returns the number of units. A second
    /// call takes back nothing.
    ///
    /// # Errors
    /// As [`RateLimiter::refund`], for the first key that fails. The other keys are refunded.
    pub async fn refund(&self) -> Result<u64, Error> {
        let Inner { limiter, limits, decided, is_refunded } = &*self.0;
        if is_refunded.swap(true, Ordering::AcqRel) {
            return Ok(0);
        }
        let mut result = Ok(0);
        for ((key, cost), decision) in limits.keys().zip(decided.decisions()) {
            if decision.source() != Source::Fallback {
                let refunded = limiter.refund(key, cost).await;
                result = result.and_then(|sum| Ok(sum + refunded?));
            }
        }
        result
    }

    pub(super) fn decided(&self) -> &Decided {
        &self.0.decided
    }

    /// The decisions as they are after the refund.
    pub(super) fn unrecorded(&self) -> Decided {
        self.0.decided.unrecorded(self.0.limits.keys().map(|(_, cost)| cost))
    }
}

impl fmt::Debug for RequestChecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestChecks")
            .field("decisions", &self.decisions())
            .finish_non_exhaustive()
    }
}
