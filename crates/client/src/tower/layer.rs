use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body::Body;
use tower_layer::Layer;

use super::body::{BoxError, boxed};
use super::denial::Denial;
use super::key::IntoKey;
use super::settings::{KeyFn, LimitsFn, LimitsOfRequest, ResolveFn, Settings};
use super::{CheckError, Key, OnCheckError, RateLimitService, RouteLimits, responses};
use crate::RateLimiter;
use crate::http::HeaderFamily;

/// Limits the requests of a service; see the [module](super).
///
/// It checks a request after the service is ready and before it is called. Handlers find the
/// [`Decision`](crate::Decision) that the headers report, and the [`RequestChecks`](super::RequestChecks), in the
/// extensions of an allowed request.
///
/// A check that the server rejects, such as a limit over the server's bound or an unknown policy, is decided by the
/// limiter's fallback. It is logged, at most once a minute.
#[derive(Clone)]
pub struct RateLimitLayer {
    settings: Settings,
}

impl RateLimitLayer {
    /// Applies `limits` to all requests, counted by `key`.
    pub fn new<K: IntoKey>(
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
    pub fn by_route<K: IntoKey>(
        limiter: RateLimiter,
        limits: impl Fn(&Parts) -> Option<RouteLimits> + Send + Sync + 'static,
        key: impl Fn(&Parts) -> K + Send + Sync + 'static,
    ) -> Self {
        Self::with_limits(limiter, LimitsOfRequest { resolve: None, each: vec![pair(limits, key)] })
    }

    /// Applies the limits that the asynchronous function `limits` returns for a request, each with its key. No limits
    /// exempt the request. It takes a copy of the request's head, without the body.
    ///
    /// ```
    /// use ratelog_client::tower::{Key, RateLimitLayer, RouteLimits};
    /// use ratelog_client::RateLimiter;
    ///
    /// # async fn plan_of(api_key: &str) -> &'static str { "100/minute" }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let limiter = RateLimiter::connect("memory://").await?;
    /// let layer = RateLimitLayer::by_request(limiter, |request| async move {
    ///     let api_key = request.headers.get("x-api-key").and_then(|key| key.to_str().ok());
    ///     let Some(api_key) = api_key else { return Vec::new() };
    ///     // Looks the plan up in a database.
    ///     let plan = plan_of(api_key).await;
    ///     let limits = plan.parse::<RouteLimits>().ok();
    ///     limits.map(|limits| (limits, Key::from(format!("key:{api_key}")))).into_iter().collect()
    /// });
    /// # Ok(())
    /// # }
    /// ```
    pub fn by_request<F>(
        limiter: RateLimiter,
        limits: impl Fn(Parts) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Vec<(RouteLimits, Key)>> + Send + 'static,
    {
        let resolve: Arc<ResolveFn> = Arc::new(move |request| Box::pin(limits(request)));
        Self::with_limits(limiter, LimitsOfRequest { resolve: Some(resolve), each: Vec::new() })
    }

    fn with_limits(limiter: RateLimiter, limits: LimitsOfRequest) -> Self {
        let settings = Settings {
            limiter,
            family: HeaderFamily::default(),
            limits,
            on_denied: Arc::new(responses::denied),
            on_check_error: Arc::new(OnCheckError::default_for),
            count_if: None,
            count_preflight: false,
            is_missing_logged: Arc::default(),
        };
        Self { settings }
    }

    /// Applies `limits` to all requests as well, counted by `key`.
    ///
    /// All limits of a request are checked together: if one denies it, it counts for none. Their names in the headers
    /// differ.
    ///
    /// ```
    /// use ratelog_client::tower::{RateLimitLayer, RouteLimits};
    /// use ratelog_client::RateLimiter;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let limiter = RateLimiter::connect("memory://").await?;
    /// let user: RouteLimits = "10/second".parse()?;
    /// let all: RouteLimits = "1000/second".parse()?;
    /// let layer = RateLimitLayer::new(limiter, user, |request| {
    ///     request.headers.get("x-user").map(|user| user.as_bytes().to_vec())
    /// })
    /// .and(all, |_| "everybody");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn and<K: IntoKey>(
        self,
        limits: impl Into<RouteLimits>,
        key: impl Fn(&Parts) -> K + Send + Sync + 'static,
    ) -> Self {
        let limits = limits.into();
        self.and_by_route(move |_| Some(limits.clone()), key)
    }

    /// Applies the limits that `limits` returns for a request as well, counted by `key`: see [`Self::and`].
    #[must_use]
    pub fn and_by_route<K: IntoKey>(
        mut self,
        limits: impl Fn(&Parts) -> Option<RouteLimits> + Send + Sync + 'static,
        key: impl Fn(&Parts) -> K + Send + Sync + 'static,
    ) -> Self {
        self.settings.limits.each.push(pair(limits, key));
        self
    }

    /// Counts only the requests for whose response `count` returns true, such as failed logins. The others are checked,
    /// and their units are taken back before the response is sent. A request whose client leaves before the response
    /// counts.
    ///
    /// ```
    /// use ratelog_client::tower::RateLimitLayer;
    ///
    /// fn failures_only(layer: RateLimitLayer) -> RateLimitLayer {
    ///     layer.count_if(|response| response.status() == 401)
    /// }
    /// ```
    #[must_use]
    pub fn count_if(
        mut self,
        count: impl Fn(&Response<()>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.settings.count_if = Some(Arc::new(count));
        self
    }

    /// Whether the preflight requests of browsers (CORS) count. Default: they do not.
    #[must_use]
    pub const fn count_preflight(mut self, count: bool) -> Self {
        self.settings.count_preflight = count;
        self
    }

    /// The headers that report decisions. Default: draft-11.
    #[must_use]
    pub fn header_family(mut self, family: HeaderFamily) -> Self {
        self.settings.family = family;
        self
    }

    /// Responds to denied requests with `respond`, in place of 429 and problem details, or `RESOURCE_EXHAUSTED` over
    /// gRPC. The rate limit headers are added to its response, and `Retry-After` unless it has one.
    ///
    /// The body can be of any type, such as `String`, `Full<Bytes>` or axum's `Body`:
    ///
    /// ```
    /// use axum::Json;
    /// use axum::response::IntoResponse;
    /// use http::StatusCode;
    /// use ratelog_client::tower::RateLimitLayer;
    ///
    /// fn respond_in_json(layer: RateLimitLayer) -> RateLimitLayer {
    ///     layer.on_denied(|denial| {
    ///         let seconds = denial.decision.retry_after().map(|wait| wait.as_secs_f64());
    ///         (StatusCode::TOO_MANY_REQUESTS, Json(seconds)).into_response()
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn on_denied<B>(
        mut self,
        respond: impl Fn(&Denial<'_>) -> Response<B> + Send + Sync + 'static,
    ) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.settings.on_denied = Arc::new(move |denial| respond(denial).map(boxed));
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

fn pair<K: IntoKey>(
    limits: impl Fn(&Parts) -> Option<RouteLimits> + Send + Sync + 'static,
    key: impl Fn(&Parts) -> K + Send + Sync + 'static,
) -> (Arc<LimitsFn>, Arc<KeyFn>) {
    (Arc::new(limits), Arc::new(move |request| key(request).into_key()))
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
