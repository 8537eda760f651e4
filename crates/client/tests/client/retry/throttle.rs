use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use ratelog_client::reqwest::Throttle;
use reqwest_middleware::ClientWithMiddleware;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::server::{Answer, OK, Server};
use super::{SECOND, with};

const EXHAUSTED: Answer = Some((200, &[("RateLimit", r#""a";r=0;t=10, "b";r=5;t=90"#)]));

async fn get(client: &ClientWithMiddleware, url: String) -> u16 {
    client.get(url).send().await.unwrap().status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_while_nothing_is_left() {
    const OLDER: Answer =
        Some((200, &[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "10")]));
    const REFUSED: Answer = Some((429, &[("Retry-After", "10")]));
    for answer in [EXHAUSTED, OLDER, REFUSED] {
        let server = Server::scripted([answer, OK, OK]).await;
        let client = with(Throttle::default());
        for _ in 0..3 {
            get(&client, server.url("/")).await;
        }
        let times = server.times();
        assert!(times[1] >= times[0] + SECOND * 10, "{answer:?}: {times:?}");
        assert!(times[2] < times[1] + SECOND, "{answer:?}: {times:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_is_not_waited_for() {
    const LEFT: Answer = Some((200, &[("RateLimit", r#""a";r=1;t=10"#)]));
    const UNKNOWN: Answer = Some((200, &[("RateLimit", r#""a";r=0"#)]));
    const MALFORMED: Answer = Some((200, &[("RateLimit", "r=0;t=10")]));
    const BUSY: Answer = Some((503, &[("Retry-After", "10")]));
    for answer in [LEFT, UNKNOWN, MALFORMED, BUSY, None] {
        let server = Server::scripted([answer]).await;
        let client = with(Throttle::default());
        for _ in 0..3 {
            client.get(server.url("/")).send().await.ok();
        }
        let times = server.times();
        assert!(times.len() == 3 && times[2] < SECOND, "{answer:?}: {times:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn origins_and_partitions_do_not_hold_each_other_back() {
    let [exhausted, other] = [Server::scripted([EXHAUSTED]).await, Server::scripted([OK]).await];
    let client = with(Throttle::default());
    get(&client, exhausted.url("/")).await;
    get(&client, other.url("/")).await;
    assert!(other.times()[0] < SECOND);

    let server = Server::scripted([EXHAUSTED]).await;
    let client = with(Throttle::default().partition(|request| request.url().path().to_owned()));
    for path in ["/a", "/b", "/a"] {
        get(&client, server.url(path)).await;
    }
    let times = server.times();
    assert!(times[1] < SECOND && times[2] >= times[0] + SECOND * 10, "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_no_request_can_wait_for_holds_none_back() {
    for told in ["61", "999999999999999"] {
        let field: &'static str = format!(r#""a";r=0;t={told}"#).leak();
        let fields: &'static [_] = vec![("RateLimit", field)].leak();
        let server = Server::scripted([Some((200, fields))]).await;
        let client = with(Throttle::default());
        for _ in 0..3 {
            get(&client, server.url("/")).await;
        }
        let times = server.times();
        assert!(times.len() == 3 && times[2] < SECOND, "{told}: {times:?}");
    }
    let server = Server::scripted([EXHAUSTED, OK]).await;
    let client = with(Throttle::default().max_wait(std::time::Duration::MAX));
    get(&client, server.url("/")).await;
    get(&client, server.url("/")).await;
    assert!(server.times()[1] >= SECOND * 10);
}

/// The most requests that a server of which `left` are left after `t` sees at once, of 12 sent together in the
/// meantime; all have come when this returns.
async fn most_at_once(left: &'static str) -> usize {
    let (at_once, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (gate, count) = (Arc::new(Semaphore::new(0)), Arc::clone(&most));
    let fields: &'static [_] = vec![("RateLimit", left)].leak();
    let answers = Arc::clone(&gate);
    let server = Server::start(move |times| {
        let (at_once, most, gate) = (Arc::clone(&at_once), Arc::clone(&most), Arc::clone(&answers));
        async move {
            if times == 0 {
                return EXHAUSTED;
            }
            most.fetch_max(at_once.fetch_add(1, SeqCst) + 1, SeqCst);
            gate.acquire().await.unwrap().forget();
            at_once.fetch_sub(1, SeqCst);
            Some((200, fields))
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
    // One by one, so that each answer is known before the next is given.
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
async fn those_that_waited_do_not_set_out_together() {
    assert_eq!(most_at_once(r#""a";r=0"#).await, 1);
    assert_eq!(most_at_once(r#""a";r=1;t=9"#).await, 1);
    assert!((2..=4).contains(&most_at_once(r#""a";r=4;t=9"#).await));
}

#[tokio::test(start_paused = true)]
async fn a_request_given_up_does_not_block_those_behind_it() {
    const NONE: Answer = Some((200, &[("RateLimit", r#""a";r=0"#)]));
    let server = Server::start(async |times| match times {
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
        server.seen().iter().map(|seen| &seen.path[..]).collect::<Vec<_>>(),
        ["/", "/stuck", "/behind"]
    );
}
