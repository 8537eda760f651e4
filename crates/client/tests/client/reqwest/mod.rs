//! Retries and throttling, against a server on loopback with scripted responses. Time is paused, so nothing sleeps. It
//! may run ahead while all tasks wait for the network, which lengthens waits and never shortens one.

mod retry;
mod server;
mod throttle;

use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A client with a new connection for each request, because timers close pooled connections.
fn client() -> ClientBuilder {
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
    ClientBuilder::new(client.build().unwrap())
}

fn with(middleware: impl Middleware) -> ClientWithMiddleware {
    client().with(middleware).build()
}
