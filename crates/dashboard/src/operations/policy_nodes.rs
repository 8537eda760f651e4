//! Changes of policies on every primary, and the outcome on each.

use ratelog_client::command::Command;
use ratelog_client::nodes::Deployment;
use serde::Serialize;
use utoipa::ToSchema;

use super::failure::Failure;
use super::known_nodes::known_nodes;

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
/// others, which then do it again without an effect. Returns the outcome on each, and the replies of those that did it.
///
/// # Errors
/// That of the last node, if no node did it. An outcome that is unknown takes precedence.
pub async fn run<T: Send>(
    deployment: &Deployment,
    command: impl Fn() -> Command<T>,
) -> Result<(Vec<NodeOutcome>, Vec<T>), Failure> {
    let nodes = known_nodes(deployment).await?;
    let (mut outcomes, mut replies) = (Vec::new(), Vec::new());
    let mut failure = Failure::Unavailable("no server is known".to_owned());
    for node in nodes.iter().filter(|node| node.is_primary()) {
        let (outcome, error) = match node.query(&command()).await {
            Ok(reply) => {
                replies.push(reply);
                ("done", None)
            }
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
        Ok((outcomes, replies))
    } else {
        Err(failure)
    }
}

/// The outcome on all nodes together, and the errors of those that did not do it.
pub fn summary(nodes: &[NodeOutcome]) -> (&'static str, String) {
    let missing: Vec<_> = nodes.iter().filter(|node| node.outcome != "done").collect();
    let outcome = ["unknown", "failed"]
        .into_iter()
        .find(|outcome| missing.iter().any(|node| node.outcome == *outcome));
    let Some(outcome) = outcome else { return ("done", String::new()) };
    let errors = missing.iter().map(|node| {
        format!("{}: {} ({})", node.node, node.outcome, node.error.as_deref().unwrap_or_default())
    });
    let errors = errors.collect::<Vec<_>>().join("; ");
    let done = nodes.len() - missing.len();
    (outcome, format!("done on {done} of {} nodes; {errors}", nodes.len()))
}

#[cfg(test)]
mod tests {
    use super::{NodeOutcome, summary};

    #[test]
    fn a_change_is_done_if_all_nodes_have_done_it() {
        let node = |name: &str, outcome| {
            let error = (outcome != "done").then(|| "why".to_owned());
            NodeOutcome { node: name.to_owned(), outcome, error }
        };
        let (a, b, c) = (node("a", "done"), node("b", "failed"), node("c", "unknown"));
        assert_eq!(summary(&[a.clone(), a.clone()]), ("done", String::new()));
        let failed = "done on 1 of 2 nodes; b: failed (why)".to_owned();
        assert_eq!(summary(&[a.clone(), b.clone()]), ("failed", failed));
        let unknown = "done on 1 of 3 nodes; b: failed (why); c: unknown (why)".to_owned();
        assert_eq!(summary(&[a, b, c]), ("unknown", unknown));
    }
}
