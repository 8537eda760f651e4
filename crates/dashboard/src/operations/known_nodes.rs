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
