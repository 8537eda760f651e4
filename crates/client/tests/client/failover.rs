//! A limiter whose server is replaced by another.

use std::time::Duration;

use ratelog_client::Source;
use ratelog_client::limiter::{BreakerState, Builder};
use ratelog_test_support::{Cluster, Sentinels, Server, Stop};

use crate::load::Load;
use crate::support::{fast_probes, source, until, until_state, url};

#[tokio::test(flavor = "multi_thread")]
async fn a_limiter_follows_a_failover_by_sentinels() {
    let mut primary = Server::start();
    let replica = primary.start_replica(&[]);
    let sentinels = Sentinels::watch(&primary, 1);
    let hosts: Vec<_> = sentinels.ports().iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let limiter =
        Builder::new(&format!("redis+sentinel://{}/{}", hosts.join(","), Sentinels::NAME))
            .unwrap()
            .probe_min_interval(Duration::from_millis(5))
            .probe_max_interval(Duration::from_millis(50))
            .build()
            .await
            .unwrap();
    assert_eq!(source(&limiter).await, Source::Module);
    primary.stop(Stop::Kill);
    assert_eq!(source(&limiter).await, Source::Local);
    let port = sentinels.primary_after(&primary);
    assert_eq!(port, replica.port());
    until_state(&limiter, BreakerState::Closed).await;
    assert_eq!(source(&limiter).await, Source::Module);
    assert!(replica.connect().units("k") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limiter_follows_a_failover_in_a_cluster() {
    let mut cluster = Cluster::impatient(3, 1, &[]);
    let url = format!("redis+cluster://127.0.0.1:{}", cluster[0].port());
    let limiter = fast_probes(&url).build().await.unwrap();
    assert_eq!(source(&limiter).await, Source::Module);
    let old = cluster.primary_of("k");
    cluster[old].stop(Stop::Kill);
    let load = Load::start(&limiter, 2);
    cluster.primary_after(old, "k");
    until("the new primary answers", async || source(&limiter).await == Source::Module).await;
    Load::continues(&load.by_module).await;
    load.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_manager_is_used_again_after_it_reconnects() {
    let mut server = Server::start();
    let manager = redis::Client::open(url(&server)).unwrap().get_connection_manager().await;
    let limiter = Builder::over(manager.unwrap())
        .probe_min_interval(Duration::from_millis(5))
        .probe_max_interval(Duration::from_millis(50))
        .build()
        .await
        .unwrap();
    assert_eq!(source(&limiter).await, Source::Module);
    server.stop(Stop::Kill);
    until("the fallback answers", async || {
        source(&limiter).await == Source::Local && limiter.health().state != BreakerState::Closed
    })
    .await;
    server.start_again();
    until_state(&limiter, BreakerState::Closed).await;
    assert_eq!(source(&limiter).await, Source::Module);
}
