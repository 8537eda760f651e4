//! Clients that wait, against a server over loopback whose answers are scripted. Time is paused, so that nothing sleeps:
//! while all wait for the network it may run ahead, which lengthens waits and never shortens one.

mod retry;
mod server;
mod throttle;

use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Each request on a connection of its own: those kept for another request are closed by timers.
fn client() -> ClientBuilder {
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
    ClientBuilder::new(client.build().unwrap())
}

fn with(middleware: impl Middleware) -> ClientWithMiddleware {
    client().with(middleware).build()
}
