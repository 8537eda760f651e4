//! Fifty simultaneous connections on one key.

use std::sync::Barrier;

use crate::support::Server;

const CONNECTIONS: usize = 50;

/// Returns the number of allowed checks of all connections together.
fn allowed(server: &Server, checks_each: usize, command: &str) -> usize {
    let barrier = Barrier::new(CONNECTIONS);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let mut db = server.connect();
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    (0..checks_each).filter(|_| db.decide(command).allowed).count()
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("no client failed")).sum()
    })
}

#[test]
fn fifty_connections_use_exactly_the_limit() {
    let server = Server::start();
    assert_eq!(allowed(&server, 20, "RL.CHECK k 333 1h"), 333);
    assert_eq!(server.connect().units("k"), 333);
}

#[test]
fn fifty_connections_with_a_cost_use_all_that_fits_in_the_limit() {
    let server = Server::start();
    assert_eq!(allowed(&server, 20, "RL.CHECK k 500 1h COST 3"), 166);
    assert_eq!(server.connect().units("k"), 498);
}

#[test]
fn fifty_connections_use_exactly_the_tightest_rule() {
    let server = Server::start();
    let command = "RL.CHECK k 900 1h 77 1d 500 30m";
    assert_eq!(allowed(&server, 4, command), 77);
    assert_eq!(server.connect().units("k"), 77);
}

#[test]
fn a_pipeline_uses_exactly_the_limit() {
    let server = Server::start();
    let request = b"RL.CHECK k 100 1h\r\n".repeat(1000);
    let reply = server.connect_raw().exchange_bytes(&request);
    let reply = String::from_utf8(reply).expect("replies are text");
    assert_eq!(reply.matches("*6\r\n:1\r\n").count(), 100);
    assert_eq!(reply.matches("*6\r\n:0\r\n").count(), 900);
}
