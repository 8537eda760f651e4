//! A limiter whose server becomes unavailable, in every way that servers do, and recovers.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use ratelog_client::limiter::{BreakerState, Fallback};
use ratelog_client::{Checks, Cost, Error, Source};
use ratelog_test_support::{Client, Module, Server, Stop};
use tokio::net::TcpListener;

use crate::load::Load;
use crate::log::Log;
use crate::scripted_server::{Answer, ScriptedServer};
use crate::support::{fast_probes, rules, source, until, until_state, url};

#[tokio::test(flavor = "multi_thread")]
async fn checks_continue_while_a_server_under_load_is_killed_and_restarted() {
    let mut server = Server::start();
    let limiter = fast_probes(&url(&server)).build().await.unwrap();
    let load = Load::start(&limiter, 8);
    Load::continues(&load.by_module).await;
    for _ in 0..3 {
        server.stop(Stop::Kill);
        Load::continues(&load.by_fallback).await;
        assert_ne!(limiter.health().state, BreakerState::Closed);
        assert!(limiter.health().last_error.is_some());
        server.start_again();
        Load::continues(&load.by_module).await;
    }
    let health = limiter.health();
    assert_eq!((health.state, health.opened), (BreakerState::Closed, 3));
    load.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_not_queried_until_it_recovers() {
    let server = Server::start();
    let limiter = fast_probes(&url(&server))
        .timeout(Duration::from_millis(100))
        .connect_timeout(Duration::from_millis(100))
        .build()
        .await
        .unwrap();
    let load = Load::start(&limiter, 4);
    Load::continues(&load.by_module).await;
    server.pause();
    until_state(&limiter, BreakerState::Open).await;
    Load::continues(&load.by_fallback).await;
    server.resume();
    Load::continues(&load.by_module).await;
    load.stop().await;
}

#[tokio::test]
async fn a_server_that_is_lost_on_a_runtime_that_ends_is_found_again() {
    let server = Server::start();
    let limiter = fast_probes(&url(&server))
        .timeout(Duration::from_millis(100))
        .failure_threshold(NonZeroU32::MIN)
        .build()
        .await
        .unwrap();
    server.pause();
    let other = limiter.clone();
    let checking = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(source(&other))
    });
    let joined = tokio::task::spawn_blocking(|| checking.join().unwrap());
    assert_eq!(joined.await.unwrap(), Source::Local);
    server.resume();
    until("the module answers", async || source(&limiter).await == Source::Module).await;
}

#[tokio::test]
async fn a_listener_that_never_answers_blocks_no_check() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = tokio::spawn(async move {
        let mut streams = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            streams.push(stream);
        }
    });
    let limiter = fast_probes(&format!("redis://{address}/"))
        .connect_timeout(Duration::from_millis(30))
        .build()
        .await
        .unwrap();
    assert_ne!(limiter.health().state, BreakerState::Closed);
    assert_eq!(source(&limiter).await, Source::Local);
    assert_eq!(limiter.health().last_error.unwrap(), "the server did not answer in 30ms");
    accepting.abort();
}

#[tokio::test]
async fn a_check_ends_after_its_timeout() {
    let server = Server::start();
    let timeout = Duration::from_millis(40);
    let limiter = fast_probes(&url(&server))
        .timeout(timeout)
        .fallback(Fallback::Error)
        .build()
        .await
        .unwrap();
    server.connect().run::<()>("CLIENT PAUSE 60000 WRITE");
    let error = limiter.check("k", &rules(&[(5, 1_000)])).await.unwrap_err();
    assert!(matches!(error, Error::Timeout(after) if after == timeout), "{error:?}");
    // After four more the breaker opens, and no check waits.
    for _ in 0..4 {
        limiter.check("k", &rules(&[(5, 1_000)])).await.unwrap_err();
    }
    let error = limiter.check("k", &rules(&[(5, 1_000)])).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    server.connect().run::<()>("CLIENT UNPAUSE");
    until("a check is answered", async || limiter.check("k", &rules(&[(5, 1_000)])).await.is_ok())
        .await;
}

#[tokio::test]
async fn checks_without_an_answer_are_counted_and_logged_while_the_breaker_is_closed() {
    let server = Server::start();
    let create = |fallback| {
        let builder = fast_probes(&url(&server)).timeout(Duration::from_millis(40));
        builder.failure_threshold(NonZeroU32::new(4).unwrap()).fallback(fallback).build()
    };
    let limiter = create(Fallback::Local { instances: NonZeroU32::MIN }).await.unwrap();
    let strict = create(Fallback::Error).await.unwrap();
    let (log, _guard) = Log::capture();
    assert_eq!((source(&limiter).await, limiter.health().unanswered), (Source::Module, 0));

    server.connect().run::<()>("CLIENT PAUSE 60000 WRITE");
    let minute = rules(&[(5, 60_000)]);
    strict.check("k", &minute).await.unwrap_err();
    assert_eq!((strict.health().unanswered, log.take_events().len()), (0, 0));
    assert_eq!(source(&limiter).await, Source::Local);
    assert_eq!(
        (limiter.health().unanswered, log.take_events()),
        (1, vec!["unanswered".to_owned()])
    );
    let checks = Checks::new(Cost::ONE, "a", minute.first()).and("b", minute.first());
    let _ = limiter.mcheck(&checks).await.unwrap();
    limiter.refund("a", Cost::ONE).await.unwrap();
    assert_eq!((limiter.health().unanswered, limiter.health().state), (3, BreakerState::Closed));
    // The check that opens the breaker is part of the outage.
    assert_eq!(source(&limiter).await, Source::Local);
    assert_eq!(limiter.health().unanswered, 3);
    assert_eq!(log.take_events(), ["server_unavailable"]);
}

#[tokio::test]
async fn a_server_that_fails_at_checks_only_is_not_probed_without_pause() {
    let server = ScriptedServer::start().await;
    server.answer_probes(Answer::Reply(b":0\r\n".into()));
    let limiter = fast_probes(&server.url()).build().await.unwrap();
    let start = Instant::now();
    until("it fails six times", async || {
        server.expect("RL.CHECK", [Answer::Reply(b"-READONLY a replica\r\n".into())]);
        source(&limiter).await;
        limiter.health().opened == 6
    })
    .await;
    // The waits between outages that follow a recovery at once, before jitter.
    let waits = [5, 10, 20, 40].map(Duration::from_millis).iter().sum::<Duration>();
    assert!(start.elapsed() >= waits, "{:?}", start.elapsed());
}

#[tokio::test]
async fn every_outage_is_logged() {
    let mut server = Server::start();
    let limiter = fast_probes(&url(&server)).build().await.unwrap();
    let (log, _guard) = Log::capture();
    for _ in 0..2 {
        server.stop(Stop::NoSave);
        until("the outage is noticed", async || source(&limiter).await == Source::Local).await;
        server.start_again();
        until_state(&limiter, BreakerState::Closed).await;
        assert_eq!(log.take_events(), ["server_unavailable", "server_recovered"]);
    }
}

#[tokio::test]
async fn a_server_that_starts_after_the_limiter_is_found() {
    let mut server = Server::start();
    let url = url(&server);
    server.stop(Stop::NoSave);
    let limiter = fast_probes(&url).build().await.unwrap();
    assert_eq!(source(&limiter).await, Source::Local);
    server.start_again();
    until_state(&limiter, BreakerState::Closed).await;
    assert_eq!(source(&limiter).await, Source::Module);
}

#[tokio::test]
async fn a_server_that_rejects_the_password_is_unavailable_until_it_accepts_it() {
    let server = Server::start();
    let wrong = format!("redis://:wrong@127.0.0.1:{}/", server.port());
    let mut admin = server.connect();
    admin.run::<()>("CONFIG SET requirepass right");
    let limiter = fast_probes(&wrong).build().await.unwrap();
    assert_eq!(source(&limiter).await, Source::Local);
    let error = limiter.health().last_error.unwrap();
    assert!(error.contains("WRONGPASS") || error.contains("uthentication"), "{error}");
    admin.run::<()>("CONFIG SET requirepass wrong");
    until_state(&limiter, BreakerState::Closed).await;
    assert_eq!(source(&limiter).await, Source::Module);
}

#[tokio::test]
async fn a_replica_is_unavailable_until_it_is_promoted() {
    let primary = Server::start();
    let replica = primary.start_replica(&[]);
    let limiter = fast_probes(&url(&replica)).build().await.unwrap();
    assert_eq!(source(&limiter).await, Source::Local);
    let error = limiter.health().last_error.unwrap();
    assert!(error.contains("read only"), "{error}");
    replica.connect().run::<()>("REPLICAOF NO ONE");
    until_state(&limiter, BreakerState::Closed).await;
    assert_eq!(source(&limiter).await, Source::Module);
    // The reverse: a primary that becomes a replica.
    replica.follow(&primary);
    until("the demotion is noticed", async || source(&limiter).await == Source::Local).await;
    assert_ne!(limiter.health().state, BreakerState::Closed);
}

#[tokio::test]
async fn a_replica_without_the_module_is_unavailable_until_it_is_promoted() {
    let primary = Server::configured(Module::Absent, &[]);
    let replica = Server::configured(Module::Absent, &[]);
    let limiter = fast_probes(&url(&replica)).build().await.unwrap();
    assert_eq!(source(&limiter).await, Source::Script);
    replica.follow(&primary);
    until("the demotion is noticed", async || {
        source(&limiter).await == Source::Local && limiter.health().state != BreakerState::Closed
    })
    .await;
    // Probes do not take the replica for available.
    let opened = limiter.health().opened;
    for _ in 0..50 {
        assert_eq!(source(&limiter).await, Source::Local);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(limiter.health().opened, opened);
    replica.connect().run::<()>("REPLICAOF NO ONE");
    until_state(&limiter, BreakerState::Closed).await;
    assert_eq!(source(&limiter).await, Source::Script);
}

#[tokio::test]
async fn a_server_that_is_out_of_memory_is_unavailable() {
    let server = Server::start();
    let limiter = fast_probes(&url(&server)).build().await.unwrap();
    assert_eq!(source(&limiter).await, Source::Module);
    server.connect().run::<()>("CONFIG SET maxmemory 1");
    let fresh = rules(&[(5, 1_000)]);
    assert_eq!(limiter.check("fresh", &fresh).await.unwrap().source(), Source::Local);
    server.connect().run::<()>("CONFIG SET maxmemory 0");
    until("the server accepts new keys", async || {
        limiter.check("fresh", &fresh).await.unwrap().source() == Source::Module
    })
    .await;
}

#[tokio::test]
async fn a_closed_connection_is_replaced_before_the_next_check() {
    let server = Server::start();
    let limiter = fast_probes(&url(&server)).fallback(Fallback::Error).build().await.unwrap();
    let mut admin = server.connect();
    for round in 1..=3 {
        admin.run::<i64>("CLIENT KILL TYPE normal SKIPME yes");
        until("the connection is replaced", async || {
            let health = limiter.health();
            health.state == BreakerState::Closed && health.opened == round
        })
        .await;
        assert!(limiter.check("k", &rules(&[(5, 1_000)])).await.is_ok());
    }
}

#[tokio::test]
async fn mistakes_of_the_caller_do_not_open_the_breaker() {
    let server = Server::start();
    let limiter = fast_probes(&url(&server)).build().await.unwrap();
    server.connect().run::<()>("SET text value");
    for _ in 0..20 {
        let error = limiter.check("text", &rules(&[(5, 1_000)])).await.unwrap_err();
        assert!(error.to_string().contains("WRONGTYPE"), "{error}");
        let error = limiter.check("k", &rules(&[(1_000_001, 1_000)])).await.unwrap_err();
        assert!(error.to_string().contains("limit '1000001'"), "{error}");
    }
    let health = limiter.health();
    assert_eq!((health.state, health.opened), (BreakerState::Closed, 0));
}

#[tokio::test]
async fn a_dropped_limiter_closes_its_connection_and_stops_probing() {
    let mut server = Server::start();
    let connections = async |admin: &mut Client, count: i64| {
        let what = format!("{count} connections");
        until(&what, async || admin.info_number("connected_clients") == count).await;
    };
    let mut admin = server.connect();
    connections(&mut admin, 1).await;
    let limiter = fast_probes(&url(&server)).build().await.unwrap();
    connections(&mut admin, 2).await;
    drop(limiter);
    connections(&mut admin, 1).await;
    // A limiter that probes stops probing.
    let limiter = fast_probes(&url(&server)).build().await.unwrap();
    server.stop(Stop::NoSave);
    until_state(&limiter, BreakerState::Open).await;
    drop(limiter);
    // Another limiter probes less often than the first one did, so that one would have found the server before it.
    let other = fast_probes(&url(&server))
        .probe_min_interval(Duration::from_millis(200))
        .probe_max_interval(Duration::from_millis(200))
        .build()
        .await
        .unwrap();
    server.start_again();
    let mut admin = server.connect();
    until_state(&other, BreakerState::Closed).await;
    connections(&mut admin, 2).await;
}
