use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::denial::Denial;
use super::settings::Settings;
use super::{CheckError, ResponseBody, RouteLimits};
use crate::http::{HeaderFamily, add_headers};
use crate::{Decision, Error};

type CheckFuture = Pin<Box<dyn Future<Output = Result<Decision, Error>> + Send>>;

pin_project! {
    /// The future response of a [`RateLimitService`](super::RateLimitService).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, S::Future, B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F, B> {
        Checking { check: CheckFuture, pending: Option<Pending<S, B>> },
        Serving { #[pin] response: F, checked: Option<Checked> },
        Responded { response: Option<Response<Bytes>> },
    }
}

/// A request that waits for its decision.
struct Pending<S, B> {
    settings: Arc<Settings>,
    limits: RouteLimits,
    request: Request<B>,
    service: S,
}

/// The decision on a request that is served, for the headers of the response.
struct Checked {
    family: HeaderFamily,
    limits: RouteLimits,
    decision: Decision,
}

impl<S: Service<Request<B>>, B> ResponseFuture<S, B> {
    pub(super) fn checking(
        settings: Arc<Settings>,
        key: Vec<u8>,
        limits: RouteLimits,
        request: Request<B>,
        service: S,
    ) -> Self {
        let (limiter, check_limits) = (settings.limiter.clone(), limits.clone());
        let check = Box::pin(async move { limiter.check(key, check_limits.check()).await });
        let pending = Some(Pending { settings, limits, request, service });
        Self { state: State::Checking { check, pending } }
    }

    pub(super) const fn serving(response: S::Future) -> Self {
        Self { state: State::Serving { response, checked: None } }
    }

    pub(super) const fn responded(response: Response<Bytes>) -> Self {
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
                StateProjection::Checking { check, pending } => {
                    let result = ready!(check.as_mut().poll(context));
                    let Some(pending) = pending.take() else { return Poll::Pending };
                    pending.decided(result)
                }
                StateProjection::Serving { response, checked } => {
                    let mut response = ready!(response.poll(context))?;
                    if let Some(Checked { family, limits, decision }) = checked {
                        add_headers(response.headers_mut(), *family, limits.names(), decision);
                    }
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
    fn decided(mut self, result: Result<Decision, Error>) -> State<S, S::Future, B> {
        let family = self.settings.family;
        let checked = match result {
            Ok(decision) if decision.allowed() => {
                self.request.extensions_mut().insert(decision);
                Some(Checked { family, limits: self.limits, decision })
            }
            Ok(decision) => {
                let (head, _) = self.request.into_parts();
                let named_rules = self.limits.names();
                let denial = Denial { request: &head, decision: &decision, named_rules };
                let response = self.settings.respond_to_denial(&denial);
                return State::Responded { response: Some(response) };
            }
            Err(error) => {
                let error = CheckError::Limiter(error);
                let response = self.settings.respond_to_error(&error, self.request.headers());
                if response.is_some() {
                    return State::Responded { response };
                }
                None
            }
        };
        State::Serving { response: self.service.call(self.request), checked }
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
