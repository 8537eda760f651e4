use std::sync::{Arc, Mutex};

use axum::http::{Extensions, Method};
use ratelog_client::reqwest::{Retry, Throttle};
use ratelog_client::retry::{Idempotency, Outcome, RetryPolicy};
use reqwest::{Body, Request, Response};
use reqwest_middleware::{Middleware, Next};
use tokio::time::Instant;

use super::server::{OK, Reply, Server};
use super::{SECOND, client, with};

fn attempts(response: &Response) -> u32 {
    response.extensions().get::<Outcome<()>>().unwrap().attempts
}

/// Sends a request with `method`. Returns the number of requests that `server` received, and the last status.
async fn send(
    server: &Server,
    method: Method,
    idempotency: Option<Idempotency>,
) -> (usize, Option<u16>) {
    let request = with(Retry::default()).request(method, server.url("/")).body("apples");
    let request = match idempotency {
        Some(idempotency) => request.with_extension(idempotency),
        None => request,
    };
    let status = request.send().await.ok().map(|response| response.status().as_u16());
    assert!(server.requests().iter().all(|request| request.body == "apples"));
    (server.requests().len(), status)
}

#[tokio::test(start_paused = true)]
async fn no_request_is_sent_before_its_wait_is_over() {
    const LIMIT: (&str, &str) = ("RateLimit", r#""a";r=0;t=9, "b";r=3;t=99"#);
    let server = Server::scripted([
        Some((429, &[("Retry-After", "5"), LIMIT])),
        Some((429, &[LIMIT])),
        Some((503, &[("Retry-After", "7")])),
        Some((429, &[("Retry-After", "soon"), ("RateLimit", "r=0;t=30")])),
        OK,
    ])
    .await;
    let policy = RetryPolicy::default().max_attempts(9).max_total(SECOND * 100);
    let response = with(Retry::new(policy)).get(server.url("/")).send().await.unwrap();
    assert_eq!((response.status().as_u16(), attempts(&response)), (200, 5));
    let times = server.times();
    assert_eq!(times.len(), 5);
    assert!(times[1] >= times[0] + SECOND * 5, "{times:?}");
    assert!(times[2] >= times[1] + SECOND * 9, "{times:?}");
    assert!(times[3] >= times[2] + SECOND * 7, "{times:?}");
    assert!(times[4] > times[3], "{times:?}");
    let waited = response.extensions().get::<Outcome<()>>().unwrap().waited;
    assert!((SECOND * 21..=SECOND * 24).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_may_have_been_executed_is_not_repeated() {
    for (first, times) in
        [(None, 1), (Some((503, &[("Retry-After", "1")][..])), 1), (Some((429, &[][..])), 2)]
    {
        let server = Server::scripted([first, OK]).await;
        assert_eq!(send(&server, Method::POST, None).await.0, times, "{first:?}");
        let server = Server::scripted([first, OK]).await;
        assert_eq!(
            send(&server, Method::POST, Some(Idempotency::Idempotent)).await,
            (2, Some(200)),
            "{first:?}"
        );
        let server = Server::scripted([first, OK]).await;
        assert_eq!(send(&server, Method::PUT, None).await, (2, Some(200)), "{first:?}");
        let server = Server::scripted([first, OK]).await;
        assert_eq!(send(&server, Method::GET, Some(Idempotency::Never)).await.0, 1, "{first:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_redirected_is_repeated_only_if_it_is_idempotent() {
    for (method, idempotency, times) in [
        (Method::POST, None, 2),
        (Method::POST, Some(Idempotency::Idempotent), 4),
        (Method::PUT, None, 4),
    ] {
        // The server has executed the request, and does not show its result yet.
        let created = Some((303, &[("Location", "/orders/7")][..]));
        let denied = Some((429, &[("Retry-After", "1")][..]));
        let server = Server::scripted([created, denied, created, OK]).await;
        let request = with(Retry::default()).request(method.clone(), server.url("/orders#new"));
        let request = match idempotency {
            Some(idempotency) => request.with_extension(idempotency),
            None => request,
        };
        request.send().await.unwrap();
        assert_eq!(server.requests().len(), times, "{method} {idempotency:?}");
    }
    let server = Server::scripted([Some((429, &[])), OK]).await;
    let request = with(Retry::default()).post(server.url("/orders#new"));
    assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_could_not_connect_is_repeated_if_it_was_not_redirected() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let start = Instant::now();
    let post = |retry, idempotency| with(retry).post(&url).with_extension(idempotency).send();
    let without_redirects = Retry::default().without_redirects();
    for (retry, idempotency) in [
        (without_redirects.clone(), Idempotency::Never),
        (Retry::default(), Idempotency::NonIdempotent),
    ] {
        assert!(post(retry, idempotency).await.unwrap_err().is_connect());
        assert!(start.elapsed().is_zero());
    }
    for (times, (retry, idempotency)) in (1..).zip([
        (without_redirects, Idempotency::NonIdempotent),
        (Retry::default(), Idempotency::Idempotent),
    ]) {
        assert!(post(retry, idempotency).await.unwrap_err().is_connect());
        assert!(start.elapsed() >= times * SECOND * 15 / 10);
    }
    // The server has executed the request, and redirects to one that is away.
    let location: &'static [_] = vec![("Location", &*url.leak())].leak();
    let server = Server::scripted([Some((303, location))]).await;
    assert_eq!(send(&server, Method::POST, None).await, (1, None));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_not_the_last_is_dropped_before_the_wait() {
    let server = Server::scripted([Some((429, &[("Retry-After", "5")])), OK]).await;
    let dropped = Arc::new(Mutex::new(None));
    let watch = Watch(Arc::clone(&dropped));
    let client = client().with(Retry::default()).with(watch).build();
    assert_eq!(client.get(server.url("/")).send().await.unwrap().status(), 200);
    let dropped = dropped.lock().unwrap().unwrap();
    assert!(dropped.elapsed() >= SECOND * 5, "{:?}", dropped.elapsed());
}

/// Records when the first response is dropped.
struct Watch(Arc<Mutex<Option<Instant>>>);

#[derive(Clone)]
struct Watched(Arc<Mutex<Option<Instant>>>);

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.lock().unwrap().get_or_insert_with(Instant::now);
    }
}

#[async_trait::async_trait]
impl Middleware for Watch {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let mut response = next.run(request, extensions).await?;
        response.extensions_mut().insert(Watched(Arc::clone(&self.0)));
        Ok(response)
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_repeated_as_long_as_the_responses_say() {
    let start = Instant::now();
    let denied = Some((429, &[("Retry-After", "5")][..]));
    let server = Server::scripted([denied, denied, denied, denied, denied, denied, OK]).await;
    assert_eq!(send(&server, Method::POST, None).await, (7, Some(200)));
    assert!(start.elapsed() >= SECOND * 30);
    let server = Server::scripted([Some((429, &[("Retry-After", "31")])), OK]).await;
    assert_eq!(send(&server, Method::GET, None).await, (2, Some(200)));
    assert!(start.elapsed() >= SECOND * 61);
}

#[tokio::test(start_paused = true)]
async fn the_last_response_is_returned_at_the_bounds() {
    let server = Server::scripted([Some((429, &[]))]).await;
    assert_eq!(send(&server, Method::GET, None).await, (5, Some(429)));
    for headers in [
        &[("Retry-After", "61")][..],
        &[("RateLimit", "\"default\";r=3;t=9")],
        &[("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT")],
        &[("Retry-After", "99999999999999999999")],
        &[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "99999999999")],
    ] {
        let server = Server::scripted([Some((429, headers))]).await;
        assert_eq!(send(&server, Method::GET, None).await, (1, Some(429)), "{headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_cloned_is_sent_once() {
    let server = Server::scripted([Some((429, &[])), OK]).await;
    let request = with(Retry::default()).put(server.url("/")).body(Body::wrap("apples".to_owned()));
    assert_eq!(request.send().await.unwrap().status(), 429);
    let requests = server.requests();
    let request = &requests[0];
    assert_eq!(
        (requests.len(), &request.method, &request.body[..]),
        (1, &Method::PUT, &b"apples"[..])
    );
}

#[tokio::test(start_paused = true)]
async fn each_try_is_throttled() {
    const EXHAUSTED: Reply = Some((503, &[("RateLimit", r#""a";r=0;t=20"#), ("Retry-After", "1")]));
    let server = Server::scripted([EXHAUSTED, OK]).await;
    let policy = RetryPolicy::default();
    let client = client().with(Retry::new(policy)).with(Throttle::default()).build();
    // In a task, because the future must be `Send`.
    let request = client.get(server.url("/")).send();
    assert_eq!(tokio::spawn(request).await.unwrap().unwrap().status(), 200);
    let times = server.times();
    assert!(times.len() == 2 && times[1] >= times[0] + SECOND * 20, "{times:?}");
}
