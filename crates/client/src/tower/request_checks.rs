use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use tokio::task::JoinHandle;

use super::applied_limits::{AppliedLimits, Decided};
use crate::{Decision, Error, RateLimiter};

/// The checks that a request has passed, in its extensions. Cheap to clone. Of several layers, the innermost one has put
/// its checks there.
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
    /// Those of the layer around this one.
    outer: Option<RequestChecks>,
}

impl RequestChecks {
    pub(super) fn new(
        limiter: RateLimiter,
        limits: AppliedLimits,
        decided: Decided,
        outer: Option<Self>,
    ) -> Self {
        let is_refunded = AtomicBool::new(false);
        Self(Arc::new(Inner { limiter, limits, decided, is_refunded, outer }))
    }

    /// The decisions, one for each limit of the layer.
    pub fn decisions(&self) -> &[Decision] {
        self.0.decided.decisions()
    }

    /// The keys that counted the request, one for each limit of the layer.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.0.limits.keys().map(|(key, _)| key)
    }

    /// Takes back the units that the request has recorded in all layers, as if it had not come. Returns the number of
    /// units. A second call takes back nothing.
    ///
    /// # Errors
    /// As [`RateLimiter::refund`], for the first key that fails. The other keys are refunded.
    pub async fn refund(&self) -> Result<u64, Error> {
        let mut layers = vec![self];
        while let Some(outer) = layers.last().and_then(|layer| layer.0.outer.as_ref()) {
            layers.push(outer);
        }
        layers.retain(|layer| !layer.0.is_refunded.swap(true, Ordering::AcqRel));
        join_all(layers.into_iter().map(Self::take_back)).await.into_iter().sum()
    }

    async fn take_back(&self) -> Result<u64, Error> {
        let Inner { limiter, limits, decided, .. } = &*self.0;
        let refunds =
            limits.keys().zip(decided.recorded()).filter_map(|((key, cost), decision)| {
                decision.map(|decision| limiter.0.take_back(key, cost, decision.source()))
            });
        join_all(refunds).await.into_iter().sum()
    }

    /// The decisions as they are now: with the units of the request, or without them after a refund.
    pub(super) fn decided(&self) -> Cow<'_, Decided> {
        let Inner { decided, is_refunded, .. } = &*self.0;
        if is_refunded.load(Ordering::Acquire) {
            Cow::Owned(decided.unrecorded())
        } else {
            Cow::Borrowed(decided)
        }
    }

    /// Refunds in the background, also if the caller stops to wait.
    pub(super) fn refund_in_background(&self) -> JoinHandle<()> {
        let is_refunded = self.0.is_refunded.swap(true, Ordering::AcqRel);
        let checks = self.clone();
        tokio::spawn(async move {
            if !is_refunded && let Err(error) = checks.take_back().await {
                tracing::warn!(event = "not_taken_back", %error, "units stay for their window");
            }
        })
    }
}

impl fmt::Debug for RequestChecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestChecks")
            .field("decisions", &self.decisions())
            .finish_non_exhaustive()
    }
}
