//! Changes of policies on every primary, and the outcome on each.

use ratelog_client::command::Command;
use ratelog_client::nodes::Deployment;
use serde::Serialize;
use utoipa::ToSchema;

use super::failure::Failure;

/// The outcome of a change on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NodeOutcome {
    /// The node's address.
    pub node: String,
    /// `done`, `failed` or `unknown`.
    pub outcome: &'static str,
    /// Why it failed, or why its outcome is unknown.
    pub error: Option<String>,
}

/// Runs a command on every primary, one after the other. In a cluster, the first one that does it sends the change to the
/// others, which then do it again without an effect.
///
/// # Errors
/// That of the last node, if no node did it. An outcome that is unknown takes precedence.
pub async fn run<T: Send>(
    deployment: &Deployment,
    command: impl Fn() -> Command<T>,
) -> Result<Vec<NodeOutcome>, Failure> {
    let nodes = match deployment.nodes() {
        known if known.is_empty() => deployment.discover().await?,
        known => known,
    };
    let mut outcomes = Vec::new();
    let mut failure = Failure::Unavailable("no server is known".to_owned());
    for node in nodes.iter().filter(|node| node.is_primary()) {
        let (outcome, error) = match node.query(&command()).await {
            Ok(_) => ("done", None),
            Err(error) => {
                let found = Failure::from(error);
                let outcome = if found.is_outcome_unknown() { "unknown" } else { "failed" };
                let detail = found.detail();
                if !failure.is_outcome_unknown() {
                    failure = found;
                }
                (outcome, Some(detail))
            }
        };
        outcomes.push(NodeOutcome { node: node.address().to_owned(), outcome, error });
    }
    if outcomes.iter().any(|outcome| outcome.outcome == "done") {
        Ok(outcomes)
    } else {
        Err(failure)
    }
}
