use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::ResponseBody;
use super::future::ResponseFuture;
use super::settings::{Prepared, Settings};

/// A service whose requests are limited by a [`RateLimitLayer`](super::RateLimitLayer).
#[derive(Clone)]
pub struct RateLimitService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> RateLimitService<S> {
    pub(super) const fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, B, R> Service<Request<B>> for RateLimitService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (head, body) = request.into_parts();
        let prepared = self.settings.prepare(&head);
        let request = Request::from_parts(head, body);
        match prepared {
            Prepared::Check(_) | Prepared::Resolve(..) => {
                // A clone is not ready, so it stays here and the ready service waits for the decision.
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                ResponseFuture::prepared(Arc::clone(&self.settings), prepared, request, ready)
            }
            Prepared::Exempt => ResponseFuture::serving(self.inner.call(request)),
            Prepared::Failed(error) => {
                match self.settings.respond_to_error(&error, request.headers()) {
                    Some(response) => ResponseFuture::responded(response),
                    None => ResponseFuture::serving(self.inner.call(request)),
                }
            }
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for RateLimitService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitService").field("inner", &self.inner).finish_non_exhaustive()
    }
}
