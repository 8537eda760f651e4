use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use ratelog_client::reqwest::Throttle;
use reqwest_middleware::ClientWithMiddleware;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::server::{OK, Reply, Server};
use super::{SECOND, with};

const EXHAUSTED: Reply = Some((200, &[("RateLimit", r#""a";r=0;t=10, "b";r=5;t=90"#)]));

async fn get(client: &ClientWithMiddleware, url: String) -> u16 {
    client.get(url).send().await.unwrap().status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn no_request_is_sent_while_nothing_remains() {
    const OLDER: Reply =
        Some((200, &[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "10")]));
    const DENIED: Reply = Some((429, &[("Retry-After", "10")]));
    for reply in [EXHAUSTED, OLDER, DENIED] {
        let server = Server::scripted([reply, OK, OK]).await;
        let client = with(Throttle::default());
        for _ in 0..3 {
            get(&client, server.url("/")).await;
        }
        let times = server.times();
        assert!(times[1] >= times[0] + SECOND * 10, "{reply:?}: {times:?}");
        assert!(times[2] < times[1] + SECOND, "{reply:?}: {times:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_are_not_held_back_without_a_hold() {
    const REMAINING: Reply = Some((200, &[("RateLimit", r#""a";r=1;t=10"#)]));
    const UNKNOWN: Reply = Some((200, &[("RateLimit", r#""a";r=0"#)]));
    const MALFORMED: Reply = Some((200, &[("RateLimit", "r=0;t=10")]));
    const BUSY: Reply = Some((503, &[("Retry-After", "10")]));
    for reply in [REMAINING, UNKNOWN, MALFORMED, BUSY, None] {
        let server = Server::scripted([reply]).await;
        let client = with(Throttle::default());
        for _ in 0..3 {
            client.get(server.url("/")).send().await.ok();
        }
        let times = server.times();
        assert!(times.len() == 3 && times[2] < SECOND, "{reply:?}: {times:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn origins_and_partitions_do_not_hold_each_other_back() {
    let [exhausted, other] = [Server::scripted([EXHAUSTED]).await, Server::scripted([OK]).await];
    let client = with(Throttle::default());
    get(&client, exhausted.url("/")).await;
    get(&client, other.url("/")).await;
    assert!(other.times()[0] < SECOND);

    // The response after a redirect is that of another origin.
    let location: &'static [_] = vec![("Location", &*exhausted.url("/").leak())].leak();
    let redirecting = Server::scripted([Some((302, location)), OK]).await;
    let client = with(Throttle::default());
    for _ in 0..2 {
        get(&client, redirecting.url("/")).await;
    }
    let times = redirecting.times();
    assert!(times[1] < times[0] + SECOND, "{times:?}");

    let server = Server::scripted([EXHAUSTED]).await;
    let client = with(Throttle::default().partition(|request| request.url().path().to_owned()));
    for path in ["/a", "/b", "/a"] {
        get(&client, server.url(path)).await;
    }
    let times = server.times();
    assert!(times[1] < SECOND && times[2] >= times[0] + SECOND * 10, "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hold_longer_than_the_maximum_wait_holds_nothing_back() {
    for seconds in ["61", "999999999999999"] {
        let value: &'static str = format!(r#""a";r=0;t={seconds}"#).leak();
        let headers: &'static [_] = vec![("RateLimit", value)].leak();
        let server = Server::scripted([Some((200, headers))]).await;
        let client = with(Throttle::default());
        for _ in 0..3 {
            get(&client, server.url("/")).await;
        }
        let times = server.times();
        assert!(times.len() == 3 && times[2] < SECOND, "{seconds}: {times:?}");
    }
    let server = Server::scripted([EXHAUSTED, OK]).await;
    let client = with(Throttle::default().max_wait(std::time::Duration::MAX));
    get(&client, server.url("/")).await;
    get(&client, server.url("/")).await;
    assert!(server.times()[1] >= SECOND * 10);
}

/// Sends 12 requests during a hold, to a server whose later responses have this `RateLimit`. Returns the maximum number
/// in flight.
async fn max_in_flight(ratelimit: &'static str) -> usize {
    let (in_flight, max) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (gate, count) = (Arc::new(Semaphore::new(0)), Arc::clone(&max));
    let headers: &'static [_] = vec![("RateLimit", ratelimit)].leak();
    let replies = Arc::clone(&gate);
    let server = Server::start(move |index| {
        let (in_flight, max, gate) =
            (Arc::clone(&in_flight), Arc::clone(&max), Arc::clone(&replies));
        async move {
            if index == 0 {
                return EXHAUSTED;
            }
            max.fetch_max(in_flight.fetch_add(1, SeqCst) + 1, SeqCst);
            gate.acquire().await.unwrap().forget();
            in_flight.fetch_sub(1, SeqCst);
            Some((200, headers))
        }
    })
    .await;
    let client = with(Throttle::default());
    get(&client, server.url("/")).await;
    let mut requests = JoinSet::new();
    for _ in 0..12 {
        let (client, url) = (client.clone(), server.url("/"));
        requests.spawn(async move { get(&client, url).await });
    }
    // One by one, so that the client has read each response before the server sends the next.
    while !requests.is_empty() {
        gate.add_permits(1);
        requests.join_next().await.unwrap().unwrap();
    }
    let times = server.times();
    assert_eq!(times.len(), 13);
    assert!(times[1] >= times[0] + SECOND * 10, "{times:?}");
    count.load(SeqCst)
}

#[tokio::test(start_paused = true)]
async fn held_requests_are_not_sent_all_at_once() {
    assert_eq!(max_in_flight(r#""a";r=0"#).await, 1);
    assert_eq!(max_in_flight(r#""a";r=1;t=9"#).await, 1);
    assert!((2..=4).contains(&max_in_flight(r#""a";r=4;t=9"#).await));
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_request_does_not_block_the_queue() {
    const NONE: Reply = Some((200, &[("RateLimit", r#""a";r=0"#)]));
    let server = Server::start(async |index| match index {
        1 => std::future::pending().await,
        _ => NONE,
    })
    .await;
    let client = with(Throttle::default());
    get(&client, server.url("/")).await;
    let stuck = client.get(server.url("/stuck")).timeout(SECOND * 5).send();
    let (stuck, behind) = tokio::join!(stuck, get(&client, server.url("/behind")));
    assert!(stuck.unwrap_err().is_timeout());
    assert_eq!(behind, 200);
    assert_eq!(
        server.requests().iter().map(|request| &request.path[..]).collect::<Vec<_>>(),
        ["/", "/stuck", "/behind"]
    );
}
