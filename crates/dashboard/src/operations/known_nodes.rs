//! The nodes that operations ask.

use std::sync::Arc;

use ratelog_client::nodes::{Deployment, Node};

use super::failure::Failure;

/// The nodes of a deployment. If none is known, as just after the start, they are discovered first.
///
/// # Errors
/// Those of the discovery.
pub async fn known_nodes(deployment: &Deployment) -> Result<Arc<[Node]>, Failure> {
    let known = deployment.nodes();
    if known.is_empty() { deployment.discover().await.map_err(Failure::of_read) } else { Ok(known) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use ratelog_test_support::Server;

    use super::super::{key_search, overrides, policies};
    use crate::{AppState, CommandLine};

    #[tokio::test]
    async fn operations_before_the_first_poll_discover_the_nodes() {
        let server = Server::start();
        let url = format!("redis://127.0.0.1:{}", server.port());
        let new = || {
            let line = ["ratelog-dashboard", "--url", &url];
            AppState::new(CommandLine::parse_from(line).settings).unwrap()
        };
        assert!(policies::list(&new()).await.is_ok());
        assert!(key_search::search(&new(), "user").await.is_ok());
        assert!(overrides::list(&new(), None).await.is_ok());
    }
}
