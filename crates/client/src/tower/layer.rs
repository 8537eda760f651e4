use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use tower_layer::Layer;

use super::denial::Denial;
use super::settings::Settings;
use super::{CheckError, Key, OnCheckError, RateLimitService, RouteLimits, responses};
use crate::RateLimiter;
use crate::http::HeaderFamily;

/// Limits the requests of a service; see the [module](super).
///
/// It checks a request after the service is ready and before it is called. Handlers find the
/// [`Decision`](crate::Decision) in the extensions of an allowed request.
#[derive(Clone)]
pub struct RateLimitLayer {
    settings: Settings,
}

impl RateLimitLayer {
    /// Applies `limits` to all requests, counted by `key`.
    pub fn new<K: Into<Key>>(
        limiter: RateLimiter,
        limits: impl Into<RouteLimits>,
        key: impl Fn(&Parts) -> K + Send + Sync + 'static,
    ) -> Self {
        let limits = limits.into();
        Self::by_route(limiter, move |_| Some(limits.clone()), key)
    }

    /// Applies the limits that `limits` returns for a request, counted by `key`. `None` exempts the request.
    ///
    /// ```
    /// use ratelog_client::tower::{RateLimitLayer, RouteLimits};
    /// use ratelog_client::RateLimiter;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let limiter = RateLimiter::connect("memory://").await?;
    /// let search = "10/second".parse::<RouteLimits>()?.key_prefix("search:");
    /// let others = "100/second".parse::<RouteLimits>()?;
    /// let limits = move |request: &http::request::Parts| match request.uri.path() {
    ///     "/health" => None,
    ///     "/search" => Some(search.clone()),
    ///     _ => Some(others.clone()),
    /// };
    /// let layer = RateLimitLayer::by_route(limiter, limits, |_| "everybody");
    /// # Ok(())
    /// # }
    /// ```
    pub fn by_route<K: Into<Key>>(
        limiter: RateLimiter,
        limits: impl Fn(&Parts) -> Option<RouteLimits> + Send + Sync + 'static,
        key: impl Fn(&Parts) -> K + Send + Sync + 'static,
    ) -> Self {
        let settings = Settings {
            limiter,
            family: HeaderFamily::default(),
            limits: Arc::new(limits),
            key: Arc::new(move |request| key(request).into()),
            on_denied: Arc::new(responses::denied),
            on_check_error: Arc::new(OnCheckError::default_for),
        };
        Self { settings }
    }

    /// The headers that report decisions. Default: draft-11.
    #[must_use]
    pub fn header_family(mut self, family: HeaderFamily) -> Self {
        self.settings.family = family;
        self
    }

    /// Responds to denied requests with `respond`, in place of 429 and problem details, or `RESOURCE_EXHAUSTED` over
    /// gRPC. The rate limit headers are added to its response, and `Retry-After` unless it has one.
    #[must_use]
    pub fn on_denied<T: Into<Bytes>>(
        mut self,
        respond: impl Fn(&Denial<'_>) -> Response<T> + Send + Sync + 'static,
    ) -> Self {
        self.settings.on_denied = Arc::new(move |denial| respond(denial).map(Into::into));
        self
    }

    /// Calls `decide` for requests that cannot be checked, which can also log the error. Default:
    /// [`OnCheckError::default_for`].
    ///
    /// ```
    /// use ratelog_client::tower::{OnCheckError, RateLimitLayer};
    ///
    /// fn serve_despite_errors(layer: RateLimitLayer) -> RateLimitLayer {
    ///     layer.on_check_error(|error| {
    ///         eprintln!("{error}");
    ///         OnCheckError::Serve
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn on_check_error(
        mut self,
        decide: impl Fn(&CheckError) -> OnCheckError + Send + Sync + 'static,
    ) -> Self {
        self.settings.on_check_error = Arc::new(decide);
        self
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimitService<S>;

    fn layer(&self, service: S) -> RateLimitService<S> {
        RateLimitService::new(service, Arc::new(self.settings.clone()))
    }
}

impl fmt::Debug for RateLimitLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitLayer").finish_non_exhaustive()
    }
}
