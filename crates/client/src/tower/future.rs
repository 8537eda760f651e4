use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use ratelog_client_core::Clock;
use tokio::task::JoinHandle;
use tower_service::Service;

use super::applied_limits::{AppliedLimits, Decided};
use super::body::LayerBody;
use super::request_checks::RequestChecks;
use super::settings::{Limited, Prepared, ResolveFuture, Settings};
use super::{CheckError, ResponseBody};
use crate::Error;
use crate::http::HeaderFamily;
use crate::limiter::OnRejection;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type CheckFuture = BoxFuture<Result<(AppliedLimits, Decided), Error>>;

pin_project! {
    /// The future response of a [`RateLimitService`](super::RateLimitService).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, S::Future, B, S::Response>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F, B, R> {
        Resolving { resolve: ResolveFuture, limited: Limited, pending: Option<Pending<S, B>> },
        Checking { check: CheckFuture, pending: Option<Pending<S, B>> },
        Serving { #[pin] response: F, checked: Option<Checked> },
        Refunding { refund: JoinHandle<()>, response: Option<R> },
        Responded { response: Option<Response<LayerBody>> },
    }
}

/// A request that waits for its decision.
struct Pending<S, B> {
    settings: Arc<Settings>,
    request: Request<B>,
    service: S,
}

/// The checks of a request that is served.
struct Checked {
    settings: Arc<Settings>,
    checks: RequestChecks,
}

impl<S: Service<Request<B>>, B> ResponseFuture<S, B> {
    /// A request whose limits are known, or will be.
    pub(super) fn prepared(
        settings: Arc<Settings>,
        prepared: Prepared,
        request: Request<B>,
        service: S,
    ) -> Self {
        Self { state: Pending { settings, request, service }.begin(prepared) }
    }

    pub(super) const fn serving(response: S::Future) -> Self {
        Self { state: State::Serving { response, checked: None } }
    }

    pub(super) const fn responded(response: Response<LayerBody>) -> Self {
        Self { state: State::Responded { response: Some(response) } }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Resolving { resolve, limited, pending } => {
                    let resolved = ready!(resolve.as_mut().poll(context));
                    let Some(pending) = pending.take() else { return Poll::Pending };
                    let prepared = pending.settings.apply(limited.drain(..).chain(resolved));
                    pending.begin(prepared)
                }
                StateProjection::Checking { check, pending } => {
                    let result = ready!(check.as_mut().poll(context));
                    let Some(pending) = pending.take() else { return Poll::Pending };
                    pending.decided(result)
                }
                StateProjection::Serving { response, checked } => {
                    let mut response = match ready!(response.poll(context)) {
                        Ok(response) => response,
                        Err(error) => {
                            if let Some(checked) = checked.take() {
                                checked.failed();
                            }
                            return Poll::Ready(Err(error));
                        }
                    };
                    let refund = checked.take().and_then(|checked| checked.finish(&mut response));
                    match refund {
                        None => return Poll::Ready(Ok(response.map(ResponseBody::of_service))),
                        Some(refund) => State::Refunding { refund, response: Some(response) },
                    }
                }
                StateProjection::Refunding { refund, response } => {
                    // An error means that the runtime ends.
                    let _ = ready!(Pin::new(refund).poll(context));
                    let Some(response) = response.take() else { return Poll::Pending };
                    return Poll::Ready(Ok(response.map(ResponseBody::of_service)));
                }
                StateProjection::Responded { response } => {
                    let Some(response) = response.take() else { return Poll::Pending };
                    return Poll::Ready(Ok(response.map(ResponseBody::of_layer)));
                }
            };
            state.set(next);
        }
    }
}

impl<S: Service<Request<B>>, B> Pending<S, B> {
    fn begin(mut self, prepared: Prepared) -> State<S, S::Future, B, S::Response> {
        match prepared {
            Prepared::Exempt => {
                State::Serving { response: self.service.call(self.request), checked: None }
            }
            Prepared::Resolve(resolve, limited) => {
                State::Resolving { resolve, limited, pending: Some(self) }
            }
            Prepared::Check(limits) => {
                State::Checking { check: check(&self.settings, limits), pending: Some(self) }
            }
            Prepared::Failed(error) => self.failed(&error),
        }
    }

    fn decided(
        mut self,
        result: Result<(AppliedLimits, Decided), Error>,
    ) -> State<S, S::Future, B, S::Response> {
        let (limits, decided) = match result {
            Ok(checked) => checked,
            Err(error) => return self.failed(&CheckError::Limiter(error)),
        };
        if !decided.allowed() {
            let (head, _) = self.request.into_parts();
            let response = self.settings.respond_to_denial(&head, &decided);
            return State::Responded { response };
        }
        let extensions = self.request.extensions_mut();
        if let Some(decision) = decided.binding() {
            extensions.insert(*decision);
        }
        let outer = extensions.remove::<RequestChecks>();
        let checks = RequestChecks::new(self.settings.limiter.clone(), limits, decided, outer);
        extensions.insert(checks.clone());
        let checked = Checked { settings: self.settings, checks };
        State::Serving { response: self.service.call(self.request), checked: Some(checked) }
    }

    fn failed(mut self, error: &CheckError) -> State<S, S::Future, B, S::Response> {
        match self.settings.respond_to_error(error, self.request.headers()) {
            Some(response) => State::Responded { response: Some(response) },
            None => State::Serving { response: self.service.call(self.request), checked: None },
        }
    }
}

/// Checks all limits of a request together.
fn check(settings: &Settings, limits: AppliedLimits) -> CheckFuture {
    let limiter = settings.limiter.clone();
    Box::pin(async move {
        let checks = limits.checks();
        let sent_at = Clock::monotonic_now();
        let cached = limiter.0.cached_denials(&checks);
        let decided = if let Some(denials) = cached {
            Decided::new(&limits, denials, sent_at)
        } else {
            let decisions = limiter.0.check_all(&checks, OnRejection::FallBack).await?;
            Decided::new(&limits, decisions.into_iter().map(Some), sent_at)
        };
        Ok((limits, decided))
    })
}

impl Checked {
    /// The service failed: there is no response that could count.
    fn failed(self) {
        if self.settings.count_if.is_some() {
            self.checks.refund_in_background();
        }
    }

    /// Adds the headers to the response. Returns the refund of the request if the response does not count it.
    fn finish<R>(self, response: &mut Response<R>) -> Option<JoinHandle<()>> {
        let Self { settings, checks } = self;
        let family: HeaderFamily = settings.family;
        let counts = settings.count_if.as_ref().is_none_or(|count| {
            let mut head = Response::new(());
            *head.status_mut() = response.status();
            *head.headers_mut() = std::mem::take(response.headers_mut());
            let counts = count(&head);
            *response.headers_mut() = std::mem::take(head.headers_mut());
            counts
        });
        let refund = (!counts).then(|| checks.refund_in_background());
        // The refund has begun, so the headers are those after it.
        checks.decided().add_headers(response.headers_mut(), family);
        refund
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
