//! A limiter whose server is replaced by another.

use std::time::Duration;

use ratelog_client::limiter::{BreakerState, Builder};
use ratelog_client::{RateLimiter, Source};
use ratelog_test_support::{Cluster, Sentinels, Server, Stop};

use crate::load::Load;
use crate::support::{fast_probes, source, until, until_state, url};

/// Short, for connections that reconnect themselves.
const TIMEOUT: Duration = Duration::from_millis(500);

async fn until_source(limiter: &RateLimiter, expected: Source) {
    until(&format!("{expected:?}"), async || source(limiter).await == expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limiter_follows_a_failover_by_sentinels() {
    let mut primary = Server::start();
    let replica = primary.start_replica(&[]);
    let sentinels = Sentinels::watch(&primary, 1);
    let hosts: Vec<_> = sentinels.ports().iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let url = format!("redis+sentinel://{}/{}", hosts.join(","), Sentinels::NAME);
    let limiter = fast_probes(&url).build().await.unwrap();
    assert_eq!(source(&limiter).await, Source::Module);
    let resp2 = fast_probes(&format!("{url}?protocol=resp2")).build().await.unwrap();
    assert_eq!(source(&resp2).await, Source::Module);
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
    // The connection reconnects itself, so each check waits for its timeout while the old primary is down.
    let limiter = fast_probes(&url).timeout(TIMEOUT).build().await.unwrap();
    until_source(&limiter, Source::Module).await;
    let old = cluster.primary_of("k");
    cluster[old].stop(Stop::Kill);
    let load = Load::start(&limiter, 2);
    cluster.primary_after(old, "k");
    until_source(&limiter, Source::Module).await;
    Load::continues(&load.by_module).await;
    load.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_manager_is_used_again_after_it_reconnects() {
    let mut server = Server::start();
    let manager = redis::Client::open(url(&server)).unwrap().get_connection_manager().await;
    let limiter = Builder::over(manager.unwrap())
        .timeout(TIMEOUT)
        .probe_min_interval(Duration::from_millis(5))
        .probe_max_interval(Duration::from_millis(50))
        .build()
        .await
        .unwrap();
    until_source(&limiter, Source::Module).await;
    server.stop(Stop::Kill);
    until("the fallback answers", async || {
        source(&limiter).await == Source::Local && limiter.health().state != BreakerState::Closed
    })
    .await;
    server.start_again();
    until_source(&limiter, Source::Module).await;
}
