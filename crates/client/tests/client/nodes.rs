//! The servers behind a URL, one by one.

use std::time::Duration;

use ratelog_client::Error;
use ratelog_client::command::{self, Command, Override, Routing};
use ratelog_client::nodes::{Deployment, Node, Role};
use ratelog_client::redis;
use ratelog_test_support::{Cluster, Sentinels, Server, Stop, scaled_timeout};

use crate::support::{until, url};

fn deployment(url: &str) -> Deployment {
    Deployment::new(url).unwrap().with_timeout(scaled_timeout(Duration::from_secs(5)))
}

fn address(server: &Server) -> String {
    format!("127.0.0.1:{}", server.port())
}

fn cluster_url(cluster: &Cluster) -> String {
    format!("redis+cluster://{},{}", address(&cluster[0]), address(&cluster[1]))
}

fn ping() -> Command<redis::Value> {
    Command::other(redis::cmd("PING"), Routing::Any)
}

/// The addresses of the nodes, with that of the primary of each replica.
fn roles(nodes: &[Node]) -> Vec<(&str, Option<&str>)> {
    let role = |node| match Node::role(node) {
        Role::Primary => None,
        Role::Replica { of } => Some(&**of),
    };
    nodes.iter().map(|node| (node.address(), role(node))).collect()
}

#[tokio::test]
async fn a_server_and_its_replica_are_found_from_either() {
    let primary = Server::start();
    let replica = primary.start_replica(&[]);
    let (primary_address, replica_address) = (address(&primary), address(&replica));
    for server in [&primary, &replica] {
        let deployment = deployment(&url(server));
        let nodes = deployment.discover().await.unwrap();
        let mut expected =
            vec![(&*primary_address, None), (&*replica_address, Some(&*primary_address))];
        expected.sort_unstable();
        assert_eq!(roles(&nodes), expected);
        for node in nodes.iter() {
            node.query(&ping()).await.unwrap();
        }
        deployment.query(&command::set_override("k", &Override::DENY)).await.unwrap();
        assert_eq!(primary.connect().override_text("k"), "DENY -1");
    }
}

#[tokio::test]
async fn commands_go_to_the_primary_that_sentinels_name() {
    let mut primary = Server::start();
    let replica = primary.start_replica(&[]);
    let sentinels = Sentinels::watch(&primary, 1);
    let hosts: Vec<_> = sentinels.ports().iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let url = format!("redis+sentinel://{}/{}", hosts.join(","), Sentinels::NAME);
    let deployment = deployment(&url);
    assert_eq!(deployment.discover().await.unwrap().len(), 2);
    primary.stop(Stop::Kill);
    let error = deployment.query(&command::reset("k")).await.unwrap_err();
    assert!(error.is_outcome_unknown() || matches!(error, Error::Unavailable(_)), "{error:?}");
    sentinels.primary_after(&primary);
    until("the new primary is found", async || {
        let nodes = deployment.discover().await;
        nodes.is_ok_and(|nodes| {
            nodes.iter().any(|node| node.is_primary() && node.address() == address(&replica))
        })
    })
    .await;
    assert_eq!(deployment.query(&command::reset("k")).await.unwrap(), 0);
}

#[tokio::test]
async fn the_nodes_of_a_cluster_have_roles_and_keys_have_primaries() {
    let cluster = Cluster::start(3, 1);
    let deployment = deployment(&cluster_url(&cluster));
    // Redis 7.0 lists a replica once it has received data.
    for key in ["a", "b", "c"] {
        deployment.query(&command::set_override(key, &Override::ALLOW)).await.unwrap();
    }
    until("the node knows all nodes", async || {
        deployment.discover().await.is_ok_and(|nodes| nodes.len() == 6)
    })
    .await;
    let nodes = deployment.nodes();
    assert_eq!(nodes.iter().filter(|node| node.is_primary()).count(), 3);
    for key in ["a", "b", "c"] {
        let primary = &cluster[cluster.primary_of(key)];
        assert_eq!(primary.connect().override_text(key), "ALLOW -1");
        let replica = address(&cluster[cluster.replica_of(key)]);
        let replica = nodes.iter().find(|node| node.address() == replica).unwrap();
        assert_eq!(*replica.role(), Role::Replica { of: address(primary) });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_follow_a_slot_that_moves() {
    let cluster = Cluster::start(2, 0);
    let deployment = deployment(&cluster_url(&cluster));
    let key = "user:42";
    deployment.query(&command::set_override(key, &Override::ALLOW)).await.unwrap();
    let target = 1 - cluster.primary_of(key);
    let mut steps = 0;
    let handle = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        cluster.migrate(key, target, |_, _, _| {
            steps += 1;
            let found = handle.block_on(deployment.query(&command::get_override(key))).unwrap();
            assert_eq!(found, Some(Override::ALLOW));
        });
    });
    assert!(steps > 0);
    assert_eq!(cluster.primary_of(key), target);
    let found = deployment.query(&command::get_override(key)).await.unwrap();
    assert_eq!(found, Some(Override::ALLOW));
}

#[tokio::test]
async fn a_lost_node_is_the_error_of_its_commands_only() {
    let mut cluster = Cluster::start(3, 0);
    let deployment = deployment(&cluster_url(&cluster));
    let nodes = deployment.discover().await.unwrap();
    let lost = cluster.primary_of("a");
    let lost_address = address(&cluster[lost]);
    cluster[lost].stop(Stop::Kill);
    for node in nodes.iter() {
        let reply = node.query(&ping()).await;
        assert_eq!(reply.is_ok(), node.address() != lost_address, "{reply:?}");
    }
    let again = nodes.iter().find(|node| node.address() == lost_address).unwrap();
    // The connection is lost by now, so nothing can be sent.
    let error = again.query(&ping()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&format!("cannot connect to {lost_address}")), "{text}");
    assert!(!error.is_outcome_unknown());
    cluster[lost].start_again();
    until("the node answers again", async || again.query(&ping()).await.is_ok()).await;
}

#[tokio::test]
async fn a_command_without_an_answer_has_an_unknown_outcome() {
    let server = Server::start();
    let deployment = Deployment::new(&url(&server)).unwrap();
    let deployment = deployment.with_timeout(Duration::from_millis(200));
    until("connected", async || deployment.query(&ping()).await.is_ok()).await;
    server.pause();
    let error = deployment.query(&command::reset("k")).await.unwrap_err();
    assert!(error.is_outcome_unknown(), "{error:?}");
    // It cannot be connected to either.
    let error = deployment.query(&command::reset("k")).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)) && !error.is_outcome_unknown(), "{error:?}");
    server.resume();
    until("the server answers again", async || deployment.query(&ping()).await.is_ok()).await;
}

#[tokio::test]
async fn a_deployment_needs_a_server() {
    for url in ["memory://", "http://example.com", "redis+cluster://127.0.0.1:1/5"] {
        assert!(matches!(Deployment::new(url), Err(Error::Config(_))), "{url}");
    }
    // No server listens on this port.
    let deployment = Deployment::new("redis://127.0.0.1:1").unwrap();
    assert!(matches!(deployment.discover().await, Err(Error::Unavailable(_))));
    assert!(deployment.nodes().is_empty());
    let error = deployment.query(&command::reset("k")).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
}
