//! The servers that a limiter's URL names.

use ratelog_client::Source;
use ratelog_test_support::Server;

use crate::support::{fast_probes, source};

#[tokio::test]
async fn the_url_selects_the_database() {
    let server = Server::start();
    let limiter =
        fast_probes(&format!("redis://127.0.0.1:{}/3", server.port())).build().await.unwrap();
    assert_eq!(source(&limiter).await, Source::Module);
    let mut db = server.connect();
    assert_eq!(db.run::<i64>("DBSIZE"), 0);
    db.run::<()>("SELECT 3");
    assert_eq!(db.run::<i64>("DBSIZE"), 1);
}

#[tokio::test]
async fn a_url_can_name_a_unix_socket() {
    // The path of a socket must be short, so it is not in the server's folder.
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let server = Server::with(&[&format!("unixsocket {}", socket.display())]);
    let limiter = fast_probes(&format!("unix://{}", socket.display())).build().await.unwrap();
    assert_eq!(source(&limiter).await, Source::Module);
    assert_eq!(server.connect().units("k"), 1);
}
