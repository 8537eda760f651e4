use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Extensions, StatusCode};
use quick_cache::sync::Cache;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next, Result};
use tokio::time::Instant;

use super::throttle_queue::ThrottleQueue;
use crate::retry::RetryHint;

/// Holds requests back while the server has said that nothing is left.
///
/// Where the last answer of an origin (scheme, host and port) had a `RateLimit` field with `r=0`, the next request to it
/// is sent no earlier than `t` seconds after; the older `X-RateLimit` fields count like it. So does an answer of 429,
/// for as long as its `Retry-After` tells. How fields are read is told at [`RetryHint`].
///
/// Requests that wait do not set out together when the time is over. They go in the order in which they came, and there
/// are never more of them under way than the last answer said were left: one at a time, after it said none, until an
/// answer says otherwise. Where answers speak of no limit, nothing is held back.
///
/// No request waits longer than [`max_wait`](Self::max_wait). Where it is known from the start that this is not enough,
/// it is sent in its turn without waiting for the time to be over, so that its caller gets the server's own answer.
pub struct Throttle {
    max_wait: Duration,
    partition: Box<Partition>,
    lanes: Cache<String, Arc<ThrottleQueue>>,
}

type Partition = dyn Fn(&Request) -> String + Send + Sync;

impl Default for Throttle {
    /// By origin, of 1,000 origins, and for at most 60 seconds.
    fn default() -> Self {
        Self {
            max_wait: Duration::from_secs(60),
            partition: Box::new(|request| request.url().origin().ascii_serialization()),
            lanes: Cache::new(1_000),
        }
    }
}

impl Throttle {
    /// No request waits longer than `wait`.
    #[must_use]
    pub fn max_wait(self, wait: Duration) -> Self {
        Self { max_wait: wait, ..self }
    }

    /// Requests for which `partition` gives the same text share a limit, in place of those to the same origin: the
    /// origin and an API key, say, where a service limits by key.
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

    /// Remembers what was said of `count` origins, or partitions, and forgets those used least beyond it; what is
    /// forgotten holds nothing back.
    #[must_use]
    pub fn max_partitions(self, count: usize) -> Self {
        Self { lanes: Cache::new(count), ..self }
    }

    fn lane(&self, request: &Request) -> Arc<ThrottleQueue> {
        let name = (self.partition)(request);
        let Ok(lane) = self
            .lanes
            .get_or_insert_with(&name, || Ok::<_, std::convert::Infallible>(Arc::default()));
        lane
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
        let lane = self.lane(&request);
        let ride = lane.enter(later(self.max_wait)).await;
        let answer = next.run(request, extensions).await;
        if let Ok(response) = &answer {
            let refused = response.status() == StatusCode::TOO_MANY_REQUESTS;
            ride.answered(refused, &RetryHint::read(response.headers(), SystemTime::now()));
        }
        answer
    }
}

/// `wait` from now, or in a century if that is beyond the clock.
fn later(wait: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 366 * 86_400);
    let now = Instant::now();
    now.checked_add(wait).unwrap_or_else(|| now + CENTURY)
}

#[cfg(test)]
mod tests {
    use super::{Request, Throttle};
    use reqwest::{Method, Url};

    #[test]
    fn no_number_of_origins_fills_the_memory() {
        let throttle = Throttle::default().max_partitions(8);
        for port in 1..1_000 {
            let url = Url::parse(&format!("http://example.com:{port}/")).unwrap();
            throttle.lane(&Request::new(Method::GET, url));
        }
        assert!((1..=8).contains(&throttle.lanes.len()), "{}", throttle.lanes.len());
    }
}
