use http::Extensions;
use ratelog_client_core::Clock;
use reqwest::{Request, Response, Url};
use reqwest_middleware::{Error, Middleware, Next, Result};

use crate::retry::{Attempts, Idempotency, RetryAction, RetryPolicy};

/// Repeats a request that was denied or lost, after the wait that the server asks for.
///
/// [`Idempotency::of_request`] decides which requests are repeated, unless the request has an [`Idempotency`] among its
/// extensions. A request whose body cannot be cloned, such as a stream, is sent once.
///
/// reqwest follows redirects itself, and a request that was redirected may have been executed. Requests that are not
/// idempotent are therefore not repeated after a redirect to another URL, and not after a failure to connect, which may
/// be that of a redirect. reqwest does not report a redirect to the same URL: if your server answers a `POST` with one,
/// use a client that follows no redirects, and [`without_redirects`](Self::without_redirects).
///
/// It returns the last response, regardless of its status. The response's extensions have an
/// [`Outcome<()>`](crate::retry::Outcome) with the number of attempts and the time waited. The bodies of earlier
/// responses are not read.
#[derive(Clone, Debug, Default)]
pub struct Retry {
    policy: RetryPolicy,
    is_without_redirects: bool,
}

impl Retry {
    /// Retries within the bounds of `policy`.
    #[must_use]
    pub const fn new(policy: RetryPolicy) -> Self {
        Self { policy, is_without_redirects: false }
    }

    /// For a client that follows no redirects: a request that could not connect was not executed, so it is repeated
    /// whatever its method.
    ///
    /// ```
    /// use ratelog_client::reqwest::Retry;
    ///
    /// # fn main() -> reqwest::Result<()> {
    /// let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    /// let client = reqwest_middleware::ClientBuilder::new(client)
    ///     .with(Retry::default().without_redirects())
    ///     .build();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn without_redirects(self) -> Self {
        Self { is_without_redirects: true, ..self }
    }

    fn action(
        &self,
        idempotency: Idempotency,
        url: &Url,
        result: &Result<Response>,
    ) -> RetryAction {
        match result {
            // The server that redirected may have executed the request, such as a POST that created what it leads to.
            Ok(response)
                if idempotency == Idempotency::NonIdempotent
                    && without_fragment(response.url()) != *url =>
            {
                RetryAction::Stop
            }
            Ok(response) => {
                let now = Clock::system_now();
                idempotency.after_response(response.status(), response.headers(), now)
            }
            Err(Error::Reqwest(error)) if error.is_connect() => {
                idempotency.after_error(!self.is_without_redirects)
            }
            Err(Error::Reqwest(error)) if error.is_request() => idempotency.after_error(true),
            Err(_) => RetryAction::Stop,
        }
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
        let explicit = extensions.get::<Idempotency>().copied();
        let idempotency = explicit
            .unwrap_or_else(|| Idempotency::of_request(request.method(), request.headers()));
        let url = without_fragment(request.url());
        let mut attempts = Attempts::begin(&self.policy);
        while let Some(clone) = request.try_clone() {
            let result = next.clone().run(clone, extensions).await;
            let Some(wait) = attempts.next(self.action(idempotency, &url, &result)) else {
                return result.map(|mut response| {
                    response.extensions_mut().insert(attempts.finish(()));
                    response
                });
            };
            // Its connection is free for other requests.
            drop(result);
            attempts.wait(wait).await;
        }
        let result = next.run(request, extensions).await;
        result.map(|mut response| {
            response.extensions_mut().insert(attempts.finish(()));
            response
        })
    }
}

fn without_fragment(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_fragment(None);
    url
}
