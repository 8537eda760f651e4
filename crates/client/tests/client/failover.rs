//! A limiter whose server is replaced by another.

use std::time::Duration;

use ratelog_client::Source;
use ratelog_client::limiter::{Builder, State};
use ratelog_test_support::{Cluster, Sentinels, Server, Stop};

use crate::load::Load;
use crate::support::{brisk, source, until, until_state, url};

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_sentinels_replaced_is_found() {
    let mut primary = Server::start();
    let replica = primary.start_replica(&[]);
    let sentinels = Sentinels::watch(&primary, 1);
    let hosts: Vec<_> = sentinels.ports().iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let limiter =
        Builder::new(&format!("redis+sentinel://{}/{}", hosts.join(","), Sentinels::NAME))
            .unwrap()
            .probe_every(Duration::from_millis(5), Duration::from_millis(50))
            .build()
            .await
            .unwrap();
    assert_eq!(source(&limiter).await, Source::Module);
    primary.stop(Stop::Kill);
    assert_eq!(source(&limiter).await, Source::Local);
    let port = sentinels.primary_after(&primary);
    assert_eq!(port, replica.port());
    until_state(&limiter, State::Closed).await;
    assert_eq!(source(&limiter).await, Source::Module);
    assert!(replica.connect().units("k") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_of_a_cluster_that_failed_over_is_found() {
    let mut cluster = Cluster::impatient(3, 1, &[]);
    let url = format!("redis+cluster://127.0.0.1:{}", cluster[0].port());
    let limiter = brisk(&url).build().await.unwrap();
    assert_eq!(source(&limiter).await, Source::Module);
    let old = cluster.primary_of("k");
    cluster[old].stop(Stop::Kill);
    let load = Load::start(&limiter, 2);
    cluster.primary_after(old, "k");
    until("the new primary answers", async || source(&limiter).await == Source::Module).await;
    Load::goes_on(&load.by_module).await;
    load.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_mends_itself_is_used_again_when_it_has() {
    let mut server = Server::start();
    let manager = redis::Client::open(url(&server)).unwrap().get_connection_manager().await;
    let limiter = Builder::over(manager.unwrap())
        .probe_every(Duration::from_millis(5), Duration::from_millis(50))
        .build()
        .await
        .unwrap();
    assert_eq!(source(&limiter).await, Source::Module);
    server.stop(Stop::Kill);
    until("the server is missed", async || {
        source(&limiter).await == Source::Local && limiter.health().state != State::Closed
    })
    .await;
    server.start_again();
    until_state(&limiter, State::Closed).await;
    assert_eq!(source(&limiter).await, Source::Module);
}
