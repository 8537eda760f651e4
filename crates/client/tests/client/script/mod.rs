//! The script for servers without the module.

mod cases;
#[cfg(feature = "cluster")]
mod cluster;
mod fake_clock;
mod log;
mod model;
mod operations;
mod replica;

use ratelog_client::{Cost, Limit, Rule, Rules, Window};
use ratelog_test_support::{Module, Server};
use redis::aio::MultiplexedConnection;

use crate::support::connection;

fn server() -> Server {
    Server::configured(Module::Absent, &[])
}

async fn connect(server: &Server) -> MultiplexedConnection {
    let client = redis::Client::open(("127.0.0.1", server.port())).unwrap();
    connection(&client).await
}

/// Pairs of limit and window in milliseconds.
fn rules<const N: usize>(pairs: [(u32, u64); N]) -> Rules {
    Rules::new(pairs.map(|(limit, window)| rule(limit, window))).unwrap()
}

fn rule(limit: u32, window: u64) -> Rule {
    Rule::new(Limit::new(limit), Window::from_millis(window).unwrap())
}

fn cost(units: u32) -> Cost {
    Cost::new(units).unwrap()
}
