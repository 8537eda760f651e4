use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{Extensions, StatusCode};
use quick_cache::sync::Cache;
use ratelog_client_core::Clock;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next, Result};
use tokio::time::Instant;

use super::throttle_queue::ThrottleQueue;
use crate::retry::RetryHint;

/// Holds requests back while the server has said that nothing remains.
///
/// If the last response of an origin (scheme, host and port) had a `RateLimit` header with `r=0`, the next request to
/// it is sent `t` seconds later at the earliest. The `X-RateLimit` headers have the same effect, and so does the
/// `Retry-After` of a 429 response; see [`RetryHint`].
///
/// Requests that were held back are not sent all at once. They are sent in the order in which they came, and at most as
/// many are in flight as the last response said remain: one, if it said none. If responses report no limit, nothing is
/// held back.
///
/// No request waits longer than [`max_wait`](Self::max_wait). If the hold is longer than that, the request does not
/// wait for its end, and you get the server's own response.
pub struct Throttle {
    max_wait: Duration,
    partition: Box<PartitionFn>,
    queues: Cache<String, Arc<ThrottleQueue>>,
}

type PartitionFn = dyn Fn(&Request) -> String + Send + Sync;

impl Default for Throttle {
    /// One partition per origin, at most 1,000 of them, and a maximum wait of 60 seconds.
    fn default() -> Self {
        Self {
            max_wait: Duration::from_secs(60),
            partition: Box::new(|request| request.url().origin().ascii_serialization()),
            queues: Cache::new(1_000),
        }
    }
}

impl Throttle {
    /// The maximum wait of a request.
    #[must_use]
    pub fn max_wait(self, wait: Duration) -> Self {
        Self { max_wait: wait, ..self }
    }

    /// Requests for which `partition` returns the same text share a limit, in place of those to the same origin. Use it
    /// if a service has separate limits, for example per API key.
    ///
    /// ```
    /// use ratelog_client::reqwest::Throttle;
    ///
    /// let throttle = Throttle::default().partition(|request| {
    ///     let key = request.headers().get("x-api-key");
    ///     format!("{} {key:?}", request.url().origin().ascii_serialization())
    /// });
    /// ```
    #[must_use]
    pub fn partition(self, partition: impl Fn(&Request) -> String + Send + Sync + 'static) -> Self {
        Self { partition: Box::new(partition), ..self }
    }

    /// The maximum number of partitions whose state is held. Beyond it, those used least are evicted, and hold nothing
    /// back.
    #[must_use]
    pub fn max_partitions(self, count: usize) -> Self {
        Self { queues: Cache::new(count), ..self }
    }

    fn queue(&self, request: &Request) -> Arc<ThrottleQueue> {
        let partition = (self.partition)(request);
        let Ok(queue) = self
            .queues
            .get_or_insert_with(&partition, || Ok::<_, std::convert::Infallible>(Arc::default()));
        queue
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").field("max_wait", &self.max_wait).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Middleware for Throttle {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let queue = self.queue(&request);
        let permit = queue.acquire(deadline(self.max_wait)).await;
        let origin = request.url().origin();
        let result = next.run(request, extensions).await;
        // A response after a redirect to another origin says nothing about this one.
        if let Ok(response) = &result
            && response.url().origin() == origin
        {
            let denied = response.status() == StatusCode::TOO_MANY_REQUESTS;
            let hint = RetryHint::from_headers(response.headers(), Clock::system_now());
            permit.on_response(denied, &hint, self.max_wait);
        }
        result
    }
}

/// The time after `wait`; in a century if that overflows the clock.
fn deadline(wait: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 366 * 86_400);
    let now = Instant::now();
    now.checked_add(wait).unwrap_or_else(|| now + CENTURY)
}

#[cfg(test)]
mod tests {
    use super::{Request, Throttle};
    use reqwest::{Method, Url};

    #[test]
    fn the_number_of_partitions_is_bounded() {
        let throttle = Throttle::default().max_partitions(8);
        for port in 1..1_000 {
            let url = Url::parse(&format!("http://example.com:{port}/")).unwrap();
            throttle.queue(&Request::new(Method::GET, url));
        }
        assert!((1..=8).contains(&throttle.queues.len()), "{}", throttle.queues.len());
    }
}
