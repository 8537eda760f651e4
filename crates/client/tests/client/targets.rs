//! Where a limiter's URL leads.

use ratelog_client::Source;
use ratelog_test_support::Server;

use crate::support::{brisk, source};

#[tokio::test]
async fn the_database_of_the_url_is_the_one_that_counts() {
    let server = Server::start();
    let limiter = brisk(&format!("redis://127.0.0.1:{}/3", server.port())).build().await.unwrap();
    assert_eq!(source(&limiter).await, Source::Module);
    let mut db = server.connect();
    assert_eq!(db.run::<i64>("DBSIZE"), 0);
    db.run::<()>("SELECT 3");
    assert_eq!(db.run::<i64>("DBSIZE"), 1);
}

#[tokio::test]
async fn a_server_is_reached_by_its_socket() {
    // The path of a socket must be short, so it is not in the server's own folder.
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let server = Server::with(&[&format!("unixsocket {}", socket.display())]);
    let limiter = brisk(&format!("unix://{}", socket.display())).build().await.unwrap();
    assert_eq!(source(&limiter).await, Source::Module);
    assert_eq!(server.connect().units("k"), 1);
}
