//! A limiter whose server goes away, in every way that servers do, and comes back.

use std::time::Duration;

use ratelog_client::limiter::{Fallback, State};
use ratelog_client::{Error, Source};
use ratelog_test_support::{Client, Server, Stop};
use tokio::net::TcpListener;

use crate::load::Load;
use crate::support::{brisk, rules, source, until, until_state, url};

#[tokio::test(flavor = "multi_thread")]
async fn checks_go_on_while_a_server_under_load_is_killed_and_started_again() {
    let mut server = Server::start();
    let limiter = brisk(&url(&server)).build().await.unwrap();
    let load = Load::start(&limiter, 8);
    Load::goes_on(&load.by_module).await;
    for _ in 0..3 {
        server.stop(Stop::Kill);
        Load::goes_on(&load.by_this_process).await;
        assert_ne!(limiter.health().state, State::Closed);
        assert!(limiter.health().last_error.is_some());
        server.start_again();
        Load::goes_on(&load.by_module).await;
    }
    let health = limiter.health();
    assert_eq!((health.state, health.opened), (State::Closed, 3));
    load.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_left_alone_until_it_moves() {
    let server = Server::start();
    let limiter = brisk(&url(&server))
        .timeout(Duration::from_millis(20))
        .connect_timeout(Duration::from_millis(50))
        .build()
        .await
        .unwrap();
    let load = Load::start(&limiter, 4);
    Load::goes_on(&load.by_module).await;
    server.pause();
    until_state(&limiter, State::Open).await;
    Load::goes_on(&load.by_this_process).await;
    server.resume();
    Load::goes_on(&load.by_module).await;
    load.stop().await;
}

#[tokio::test]
async fn a_listener_that_never_answers_keeps_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let limiter = brisk(&format!("redis://{address}/"))
        .connect_timeout(Duration::from_millis(30))
        .build()
        .await
        .unwrap();
    assert_ne!(limiter.health().state, State::Closed);
    assert_eq!(source(&limiter).await, Source::Local);
    assert_eq!(limiter.health().last_error.unwrap(), "the server did not answer in 30ms");
    accepting.abort();
}

#[tokio::test]
async fn a_check_is_given_up_when_its_time_is_over() {
    let server = Server::start();
    let timeout = Duration::from_millis(40);
    let limiter =
        brisk(&url(&server)).timeout(timeout).fallback(Fallback::Error).build().await.unwrap();
    server.connect().run::<()>("CLIENT PAUSE 60000 WRITE");
    let refused = limiter.check("k", &rules(&[(5, 1_000)])).await.unwrap_err();
    assert!(matches!(refused, Error::Timeout(after) if after == timeout), "{refused:?}");
    // Four more, and nobody waits any longer.
    for _ in 0..4 {
        limiter.check("k", &rules(&[(5, 1_000)])).await.unwrap_err();
    }
    let refused = limiter.check("k", &rules(&[(5, 1_000)])).await.unwrap_err();
    assert!(matches!(refused, Error::Unavailable(_)), "{refused:?}");
    server.connect().run::<()>("CLIENT UNPAUSE");
    until_state(&limiter, State::Closed).await;
    assert!(limiter.check("k", &rules(&[(5, 1_000)])).await.is_ok());
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_found_when_it_is() {
    let mut server = Server::start();
    let url = url(&server);
    server.stop(Stop::NoSave);
    let limiter = brisk(&url).build().await.unwrap();
    assert_eq!(source(&limiter).await, Source::Local);
    server.start_again();
    until_state(&limiter, State::Closed).await;
    assert_eq!(source(&limiter).await, Source::Module);
}

#[tokio::test]
async fn a_server_that_refuses_the_password_is_away_until_it_takes_it() {
    let server = Server::start();
    let wrong = format!("redis://:wrong@127.0.0.1:{}/", server.port());
    let mut admin = server.connect();
    admin.run::<()>("CONFIG SET requirepass right");
    let limiter = brisk(&wrong).build().await.unwrap();
    assert_eq!(source(&limiter).await, Source::Local);
    let error = limiter.health().last_error.unwrap();
    assert!(error.contains("WRONGPASS") || error.contains("uthentication"), "{error}");
    admin.run::<()>("CONFIG SET requirepass wrong");
    until_state(&limiter, State::Closed).await;
    assert_eq!(source(&limiter).await, Source::Module);
}

#[tokio::test]
async fn a_replica_is_no_server_to_check_at_until_it_is_promoted() {
    let primary = Server::start();
    let replica = primary.start_replica(&[]);
    let limiter = brisk(&url(&replica)).build().await.unwrap();
    assert_eq!(source(&limiter).await, Source::Local);
    let error = limiter.health().last_error.unwrap();
    assert!(error.contains("read only"), "{error}");
    replica.connect().run::<()>("REPLICAOF NO ONE");
    until_state(&limiter, State::Closed).await;
    assert_eq!(source(&limiter).await, Source::Module);
    // And the other way: a primary that is demoted under the limiter.
    replica.follow(&primary);
    until("the demotion is noticed", async || source(&limiter).await == Source::Local).await;
    assert_ne!(limiter.health().state, State::Closed);
}

#[tokio::test]
async fn a_server_without_memory_for_a_new_key_is_not_an_error_of_the_caller() {
    let server = Server::start();
    let limiter = brisk(&url(&server)).build().await.unwrap();
    assert_eq!(source(&limiter).await, Source::Module);
    server.connect().run::<()>("CONFIG SET maxmemory 1");
    let fresh = rules(&[(5, 1_000)]);
    assert_eq!(limiter.check("fresh", &fresh).await.unwrap().source(), Source::Local);
    server.connect().run::<()>("CONFIG SET maxmemory 0");
    until("the server takes keys again", async || {
        limiter.check("fresh", &fresh).await.unwrap().source() == Source::Module
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_replaced_before_anybody_asks() {
    let server = Server::start();
    let limiter = brisk(&url(&server)).fallback(Fallback::Error).build().await.unwrap();
    let mut admin = server.connect();
    for round in 1..=3 {
        admin.run::<i64>("CLIENT KILL TYPE normal SKIPME yes");
        until("the connection is replaced", async || {
            let health = limiter.health();
            health.state == State::Closed && health.opened == round
        })
        .await;
        assert!(limiter.check("k", &rules(&[(5, 1_000)])).await.is_ok());
    }
}

#[tokio::test]
async fn what_the_caller_did_wrong_opens_nothing() {
    let server = Server::start();
    let limiter = brisk(&url(&server)).build().await.unwrap();
    server.connect().run::<()>("SET text value");
    for _ in 0..20 {
        let refused = limiter.check("text", &rules(&[(5, 1_000)])).await.unwrap_err();
        assert!(refused.to_string().contains("WRONGTYPE"), "{refused}");
        let refused = limiter.check("k", &rules(&[(1_000_001, 1_000)])).await.unwrap_err();
        assert!(refused.to_string().contains("limit '1000001'"), "{refused}");
    }
    let health = limiter.health();
    assert_eq!((health.state, health.opened), (State::Closed, 0));
}

#[tokio::test]
async fn a_limiter_that_is_dropped_leaves_its_server_alone() {
    let mut server = Server::start();
    let connections = async |admin: &mut Client, count: i64| {
        let what = format!("{count} connections");
        until(&what, async || admin.info_number("connected_clients") == count).await;
    };
    let mut admin = server.connect();
    connections(&mut admin, 1).await;
    let limiter = brisk(&url(&server)).build().await.unwrap();
    connections(&mut admin, 2).await;
    drop(limiter);
    connections(&mut admin, 1).await;
    // One that is looking for its server stops looking.
    let limiter = brisk(&url(&server)).build().await.unwrap();
    server.stop(Stop::NoSave);
    until_state(&limiter, State::Open).await;
    drop(limiter);
    server.start_again();
    let mut admin = server.connect();
    // Longer than the longest interval between two probes.
    let began = std::time::Instant::now();
    until("a probe would have come", async || began.elapsed() > Duration::from_millis(200)).await;
    connections(&mut admin, 1).await;
}
