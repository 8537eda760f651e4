use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::layer::{Denial, Settings};
use super::{CheckError, ResponseBody, RouteLimits};
use crate::http::{HeaderFamily, add_fields};
use crate::{Decision, Error};

type Check = Pin<Box<dyn Future<Output = Result<Decision, Error>> + Send>>;

pin_project! {
    /// The response to come of a [`RateLimitService`](super::RateLimitService).
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
        Checking { check: Check, waiting: Option<Waiting<S, B>> },
        Serving { #[pin] response: F, told: Option<Told> },
        Answered { response: Option<Response<Bytes>> },
    }
}

/// What waits for the decision.
struct Waiting<S, B> {
    settings: Arc<Settings>,
    route: RouteLimits,
    request: Request<B>,
    ready: S,
}

/// What the response is to tell.
struct Told {
    family: HeaderFamily,
    route: RouteLimits,
    decision: Decision,
}

impl<S: Service<Request<B>>, B> ResponseFuture<S, B> {
    pub(super) fn checking(
        settings: Arc<Settings>,
        key: Vec<u8>,
        route: RouteLimits,
        request: Request<B>,
        ready: S,
    ) -> Self {
        let (limiter, of) = (settings.limiter.clone(), route.clone());
        let check = Box::pin(async move { limiter.check(key, of.check()).await });
        let waiting = Some(Waiting { settings, route, request, ready });
        Self { state: State::Checking { check, waiting } }
    }

    pub(super) const fn serving(response: S::Future) -> Self {
        Self { state: State::Serving { response, told: None } }
    }

    pub(super) const fn answered(response: Response<Bytes>) -> Self {
        Self { state: State::Answered { response: Some(response) } }
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
                StateProjection::Checking { check, waiting } => {
                    let checked = ready!(check.as_mut().poll(context));
                    let Some(waiting) = waiting.take() else { return Poll::Pending };
                    waiting.decided(checked)
                }
                StateProjection::Serving { response, told } => {
                    let mut response = ready!(response.poll(context))?;
                    if let Some(Told { family, route, decision }) = told {
                        add_fields(response.headers_mut(), *family, route.told(), decision);
                    }
                    return Poll::Ready(Ok(response.map(ResponseBody::of_service)));
                }
                StateProjection::Answered { response } => {
                    let Some(response) = response.take() else { return Poll::Pending };
                    return Poll::Ready(Ok(response.map(ResponseBody::of_layer)));
                }
            };
            state.set(next);
        }
    }
}

impl<S: Service<Request<B>>, B> Waiting<S, B> {
    fn decided(mut self, checked: Result<Decision, Error>) -> State<S, S::Future, B> {
        let family = self.settings.family;
        let told = match checked {
            Ok(decision) if decision.allowed() => {
                self.request.extensions_mut().insert(decision);
                Some(Told { family, route: self.route, decision })
            }
            Ok(decision) => {
                let (head, _) = self.request.into_parts();
                let limits = self.route.told();
                let denial = Denial { request: &head, decision: &decision, limits };
                return State::Answered { response: Some(self.settings.denied(&denial)) };
            }
            Err(error) => {
                let failure = CheckError::Check(error);
                let refused = self.settings.refused(&failure, self.request.headers());
                if refused.is_some() {
                    return State::Answered { response: refused };
                }
                None
            }
        };
        State::Serving { response: self.ready.call(self.request), told }
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
