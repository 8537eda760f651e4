//! The search for keys, over all primaries.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ratelog_client::Error;
use ratelog_client::command::{Command, Routing};
use ratelog_client::nodes::Node;
use ratelog_client::redis;
use tokio::task::JoinSet;

use super::failure::Failure;
use super::known_nodes::known_nodes;
use crate::app::App;

/// The most keys that a search returns.
pub const MAX_KEYS: usize = 1_000;
/// The time after which a search ends.
const MAX_TIME: Duration = Duration::from_secs(5);
/// The keys that each step looks at.
const STEP: u32 = 1_000;
/// The name of the module's type.
const TYPE: &str = "ratelog_t";

/// The result of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The keys, in byte order.
    pub keys: Vec<Vec<u8>>,
    /// Why there may be more keys.
    pub incomplete: Vec<String>,
}

/// The pattern that a user means: a text without one of `*?[` is a prefix.
#[must_use]
pub fn pattern(text: &str) -> String {
    if text.contains(['*', '?', '[']) {
        return text.to_owned();
    }
    // A backslash of a prefix stands for itself.
    format!("{}*", text.replace('\\', "\\\\"))
}

/// Searches for keys with a prefix or a pattern. The search ends when its caller is gone.
///
/// # Errors
/// [`Failure::Unavailable`] if no server responds.
pub async fn search(app: &App, text: &str) -> Result<Found, Failure> {
    let pattern = pattern(text);
    let nodes = known_nodes(&app.viewer).await?;
    let _read = app.begin_read().await;
    let deadline = Instant::now() + MAX_TIME;
    let mut scans = JoinSet::new();
    for node in nodes.iter().filter(|node| node.is_primary()) {
        let (node, pattern) = (node.clone(), pattern.clone());
        scans.spawn(async move {
            let address = node.address().to_owned();
            (address, scan(&node, &pattern, deadline).await)
        });
    }
    let (mut keys, mut incomplete) = (BTreeSet::new(), Vec::new());
    while let Some(scan) = scans.join_next().await {
        let Ok((address, (found, end))) = scan else { continue };
        keys.extend(found);
        match end {
            Ok(true) => {}
            Ok(false) => incomplete
                .push(format!("the search on {address} was ended after {} s", MAX_TIME.as_secs())),
            Err(error) => incomplete.push(format!("{address}: {error}")),
        }
    }
    if keys.len() > MAX_KEYS {
        incomplete.push(format!("more than {MAX_KEYS} keys match; narrow the pattern"));
    }
    let keys = keys.into_iter().take(MAX_KEYS).collect();
    Ok(Found { keys, incomplete })
}

/// Returns the keys of a node, and whether all were looked at.
async fn scan(
    node: &Node,
    pattern: &str,
    deadline: Instant,
) -> (Vec<Vec<u8>>, Result<bool, Error>) {
    let (mut keys, mut cursor) = (Vec::new(), 0_u64);
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(STEP).arg("TYPE").arg(TYPE);
        let reply = match node.query(&Command::other(scan, Routing::Any)).await {
            Ok(reply) => reply,
            Err(error) => return (keys, Err(error)),
        };
        let parsed = redis::from_redis_value::<(u64, Vec<Vec<u8>>)>(reply);
        let (next, page) = match parsed {
            Ok(parsed) => parsed,
            Err(error) => return (keys, Err(Error::Redis(error.into()))),
        };
        keys.extend(page);
        cursor = next;
        if cursor == 0 {
            return (keys, Ok(true));
        }
        // One more than is shown says that there are more.
        if keys.len() > MAX_KEYS {
            keys.truncate(MAX_KEYS + 1);
            return (keys, Ok(true));
        }
        if Instant::now() >= deadline {
            return (keys, Ok(false));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use clap::Parser;
    use ratelog_test_support::Server;

    use super::scan;
    use crate::{AppState, CommandLine};

    #[tokio::test]
    async fn a_search_ends_when_its_time_is_over() {
        let server = Server::start();
        let mut db = server.connect();
        for index in 0..3_000 {
            db.run::<ratelog_client::redis::Value>(&format!("RL.CHECK user:{index} 1 1h"));
        }
        let url = format!("redis://127.0.0.1:{}", server.port());
        let arguments = ["ratelog-dashboard", "--url", &url];
        let app = AppState::new(CommandLine::parse_from(arguments).settings).unwrap();
        app.viewer.discover().await.unwrap();
        let nodes = app.viewer.nodes();
        let [node] = &nodes[..] else { panic!("one node is known") };
        // No key matches, so that only the end and the time end the search.
        for (time, is_complete) in [(Duration::from_mins(10), true), (Duration::ZERO, false)] {
            let (keys, end) = scan(node, "job:*", Instant::now() + time).await;
            assert!(keys.is_empty());
            assert_eq!(end.unwrap(), is_complete);
        }
    }
}
