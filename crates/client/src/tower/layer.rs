use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use tower_layer::Layer;

use super::{CheckError, Key, OnFailure, RateLimitService, RouteLimits, responses};
use crate::http::{HeaderFamily, NamedRules, add_fields};
use crate::{Decision, RateLimiter};

/// NamedRules the requests of a service; see the [module](super).
///
/// A request is checked once the service is ready, and before it is called. The handlers of an allowed one find the
/// [`Decision`] among its extensions.
#[derive(Clone)]
pub struct RateLimitLayer {
    settings: Settings,
}

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) limiter: RateLimiter,
    pub(super) family: HeaderFamily,
    route: Arc<RouteOf>,
    key: Arc<KeyOf>,
    on_denied: Arc<AnswerTo>,
    on_failure: Arc<Decide>,
}

type RouteOf = dyn Fn(&Parts) -> Option<RouteLimits> + Send + Sync;
type KeyOf = dyn Fn(&Parts) -> Key + Send + Sync;
type AnswerTo = dyn Fn(&Denial<'_>) -> Response<Bytes> + Send + Sync;
type Decide = dyn Fn(&CheckError) -> OnFailure + Send + Sync;

/// A request that is denied, for [`RateLimitLayer::on_denied`].
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Denial<'a> {
    /// The request's head.
    pub request: &'a Parts,
    /// The decision, which denies it.
    pub decision: &'a Decision,
    /// What limits the request, by name.
    pub limits: &'a NamedRules,
}

/// What becomes of a request before any check.
pub(super) enum Prepared {
    Unlimited,
    Check { key: Vec<u8>, route: RouteLimits },
    Unknown(CheckError),
}

impl RateLimitLayer {
    /// NamedRules all requests by `route`, each counted under what `key` tells of it.
    pub fn new<K: Into<Key>>(
        limiter: RateLimiter,
        route: impl Into<RouteLimits>,
        key: impl Fn(&Parts) -> K + Send + Sync + 'static,
    ) -> Self {
        let route = route.into();
        Self::by_route(limiter, move |_| Some(route.clone()), key)
    }

    /// NamedRules each request by what `route` tells of it, counted under what `key` tells of it. Requests without a route
    /// are not limited.
    ///
    /// ```
    /// use ratelog_client::tower::{RateLimitLayer, RouteLimits, key};
    /// use ratelog_client::RateLimiter;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let limiter = RateLimiter::connect("memory://").await?;
    /// let search = "10/second".parse::<RouteLimits>()?.key_prefix("search:");
    /// let others = "100/second".parse::<RouteLimits>()?;
    /// let route = move |request: &http::request::Parts| match request.uri.path() {
    ///     "/health" => None,
    ///     "/search" => Some(search.clone()),
    ///     _ => Some(others.clone()),
    /// };
    /// let layer = RateLimitLayer::by_route(limiter, route, |_| "everybody");
    /// # Ok(())
    /// # }
    /// ```
    pub fn by_route<K: Into<Key>>(
        limiter: RateLimiter,
        route: impl Fn(&Parts) -> Option<RouteLimits> + Send + Sync + 'static,
        key: impl Fn(&Parts) -> K + Send + Sync + 'static,
    ) -> Self {
        let settings = Settings {
            limiter,
            family: HeaderFamily::default(),
            route: Arc::new(route),
            key: Arc::new(move |request| key(request).into()),
            on_denied: Arc::new(responses::denied),
            on_failure: Arc::new(OnFailure::default_for),
        };
        Self { settings }
    }

    /// The fields that responses tell of decisions with; draft-11 unless told otherwise.
    #[must_use]
    pub fn family(mut self, family: HeaderFamily) -> Self {
        self.settings.family = family;
        self
    }

    /// Answers requests that are denied by `answer`, in place of 429 and problem details, or `RESOURCE_EXHAUSTED` by
    /// gRPC. The fields, and `Retry-After` unless it has one, are added to what it answers.
    #[must_use]
    pub fn on_denied<T: Into<Bytes>>(
        mut self,
        answer: impl Fn(&Denial<'_>) -> Response<T> + Send + Sync + 'static,
    ) -> Self {
        self.settings.on_denied = Arc::new(move |denial| answer(denial).map(Into::into));
        self
    }

    /// Has `decide` say, and log if it likes, what becomes of requests that cannot be checked;
    /// [`OnFailure::default_for`] unless told otherwise.
    ///
    /// ```
    /// use ratelog_client::tower::{OnFailure, RateLimitLayer};
    ///
    /// fn serve_whatever_happens(layer: RateLimitLayer) -> RateLimitLayer {
    ///     layer.on_failure(|failure| {
    ///         eprintln!("{failure}");
    ///         OnFailure::Serve
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn on_failure(
        mut self,
        decide: impl Fn(&CheckError) -> OnFailure + Send + Sync + 'static,
    ) -> Self {
        self.settings.on_failure = Arc::new(decide);
        self
    }
}

impl Settings {
    pub(super) fn outset(&self, request: &Parts) -> Prepared {
        let Some(route) = (self.route)(request) else { return Prepared::Unlimited };
        match (self.key)(request) {
            Key::Counted(key) => Prepared::Check { key: route.key(key), route },
            Key::Unlimited => Prepared::Unlimited,
            Key::Unknown(missing) => Prepared::Unknown(CheckError::Key(missing)),
        }
    }

    /// The response to a request that cannot be checked; `None` if it is to be served.
    pub(super) fn refused(
        &self,
        failure: &CheckError,
        request: &http::HeaderMap,
    ) -> Option<Response<Bytes>> {
        match (self.on_failure)(failure) {
            OnFailure::Serve => None,
            OnFailure::Refuse => Some(responses::unchecked(request)),
        }
    }

    pub(super) fn denied(&self, denial: &Denial<'_>) -> Response<Bytes> {
        let mut response = (self.on_denied)(denial);
        add_fields(response.headers_mut(), self.family, denial.limits, denial.decision);
        response
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
