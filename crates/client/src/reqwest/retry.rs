use std::time::SystemTime;

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};

use crate::retry::{Idempotency, RetryAction, RetryPolicy, Tries};

/// Sends a request again when it was refused or got lost, after the wait that it was told.
///
/// What may be sent again is what [`Idempotency::of`] says, unless the request has a [`Idempotency`] of its own among its
/// extensions; one that did not even get a connection was not executed. A request whose body cannot be cloned, as a
/// stream cannot, is sent once.
///
/// The last answer is returned, whatever it is, and an [`Outcome<()>`](crate::retry::Outcome) in the extensions of a response tells
/// how often and how long this waited. Responses in between are dropped unread.
#[derive(Clone, Debug, Default)]
pub struct Retry {
    policy: RetryPolicy,
}

impl Retry {
    /// Sends again in the ways and within the bounds of `policy`.
    #[must_use]
    pub const fn new(policy: RetryPolicy) -> Self {
        Self { policy }
    }
}

#[async_trait::async_trait]
impl Middleware for Retry {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let told = extensions.get::<Idempotency>().copied();
        let repeatable =
            told.unwrap_or_else(|| Idempotency::of(request.method(), request.headers()));
        let mut tries = Tries::begin(&self.policy);
        while let Some(copy) = request.try_clone() {
            let answer = next.clone().run(copy, extensions).await;
            if !tries.again(after(repeatable, &answer)).await {
                return answer.map(|mut response| {
                    response.extensions_mut().insert(tries.end(()));
                    response
                });
            }
        }
        next.run(request, extensions).await
    }
}

fn after(repeatable: Idempotency, answer: &Result<Response>) -> RetryAction {
    match answer {
        Ok(response) => repeatable.after(response.status(), response.headers(), SystemTime::now()),
        Err(Error::Reqwest(error)) if error.is_connect() => repeatable.after_error(false),
        Err(Error::Reqwest(error)) if error.is_request() => repeatable.after_error(true),
        Err(_) => RetryAction::Stop,
    }
}
