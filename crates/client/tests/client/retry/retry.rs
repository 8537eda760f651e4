use axum::http::Method;
use ratelog_client::reqwest::{Retry, Throttle};
use ratelog_client::retry::{Idempotency, Outcome, RetryPolicy};
use reqwest::{Body, Response};

use super::server::{Answer, OK, Server};
use super::{SECOND, client, with};

fn tries(response: &Response) -> u32 {
    response.extensions().get::<Outcome<()>>().unwrap().tries
}

/// How many requests `server` sees for one of `method`, and the last status.
async fn sent(
    server: &Server,
    method: Method,
    repeatable: Option<Idempotency>,
) -> (usize, Option<u16>) {
    let request = with(Retry::default()).request(method, server.url("/")).body("apples");
    let request = match repeatable {
        Some(repeatable) => request.with_extension(repeatable),
        None => request,
    };
    let status = request.send().await.ok().map(|response| response.status().as_u16());
    assert!(server.seen().iter().all(|seen| seen.body == "apples"));
    (server.seen().len(), status)
}

#[tokio::test(start_paused = true)]
async fn no_request_comes_before_its_wait_is_over() {
    const LIMIT: (&str, &str) = ("RateLimit", r#""a";r=0;t=9, "b";r=3;t=99"#);
    let server = Server::scripted([
        Some((429, &[("Retry-After", "5"), LIMIT])),
        Some((429, &[LIMIT])),
        Some((503, &[("Retry-After", "7")])),
        Some((429, &[("Retry-After", "soon"), ("RateLimit", "r=0;t=30")])),
        OK,
    ])
    .await;
    let policy = RetryPolicy::default().max_tries(9).max_total(SECOND * 100);
    let response = with(Retry::new(policy)).get(server.url("/")).send().await.unwrap();
    assert_eq!((response.status().as_u16(), tries(&response)), (200, 5));
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
async fn what_may_have_been_executed_is_not_sent_twice() {
    for (first, times) in
        [(None, 1), (Some((503, &[("Retry-After", "1")][..])), 1), (Some((429, &[][..])), 2)]
    {
        let server = Server::scripted([first, OK]).await;
        assert_eq!(sent(&server, Method::POST, None).await.0, times, "{first:?}");
        let server = Server::scripted([first, OK]).await;
        assert_eq!(
            sent(&server, Method::POST, Some(Idempotency::Idempotent)).await,
            (2, Some(200)),
            "{first:?}"
        );
        let server = Server::scripted([first, OK]).await;
        assert_eq!(sent(&server, Method::PUT, None).await, (2, Some(200)), "{first:?}");
        let server = Server::scripted([first, OK]).await;
        assert_eq!(sent(&server, Method::GET, Some(Idempotency::Never)).await.0, 1, "{first:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_refused_was_not_executed() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let start = tokio::time::Instant::now();
    let post = |repeatable| with(Retry::default()).post(&url).with_extension(repeatable).send();
    assert!(post(Idempotency::Never).await.unwrap_err().is_connect());
    assert!(start.elapsed().is_zero());
    assert!(post(Idempotency::NonIdempotent).await.unwrap_err().is_connect());
    assert!(start.elapsed() >= SECOND * 15 / 10);
}

#[tokio::test(start_paused = true)]
async fn the_last_answer_is_returned_when_no_bound_is_left() {
    let server = Server::scripted([Some((429, &[("Retry-After", "1")]))]).await;
    assert_eq!(sent(&server, Method::GET, None).await, (5, Some(429)));
    for told in [
        &[("Retry-After", "31")][..],
        &[("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT")],
        &[("Retry-After", "99999999999999999999")],
        &[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "99999999999")],
    ] {
        let server = Server::scripted([Some((429, told))]).await;
        assert_eq!(sent(&server, Method::GET, None).await, (1, Some(429)), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_cloned_is_sent_once() {
    let server = Server::scripted([Some((429, &[])), OK]).await;
    let request = with(Retry::default()).put(server.url("/")).body(Body::wrap("apples".to_owned()));
    assert_eq!(request.send().await.unwrap().status(), 429);
    let seen = server.seen();
    assert_eq!((seen.len(), &seen[0].method, &seen[0].body[..]), (1, &Method::PUT, &b"apples"[..]));
}

#[tokio::test(start_paused = true)]
async fn each_try_is_throttled() {
    const EXHAUSTED: Answer =
        Some((503, &[("RateLimit", r#""a";r=0;t=20"#), ("Retry-After", "1")]));
    let server = Server::scripted([EXHAUSTED, OK]).await;
    let policy = RetryPolicy::default();
    let client = client().with(Retry::new(policy)).with(Throttle::default()).build();
    // Tasks may be spawned of it: what waits can be sent between threads.
    let request = client.get(server.url("/")).send();
    assert_eq!(tokio::spawn(request).await.unwrap().unwrap().status(), 200);
    let times = server.times();
    assert!(times.len() == 2 && times[1] >= times[0] + SECOND * 20, "{times:?}");
}
