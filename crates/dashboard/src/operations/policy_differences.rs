//! The policies of nodes that do not have the same ones.

use ratelog_client::command;

use super::policies::{PolicyChange, changes};
use super::policy_document;
use crate::app::App;
use crate::poll::{Problem, Snapshot};

/// Nodes that have the same policies.
#[derive(Debug)]
pub struct Group {
    /// The digest of the policies.
    pub digest: String,
    /// The addresses of the nodes.
    pub nodes: Vec<String>,
    /// The differences to the largest group: first the policy there, then here. An error if they cannot be read.
    pub differences: Result<Vec<PolicyChange>, String>,
}

/// The groups of nodes, the largest one first; none if all nodes have the same policies.
pub async fn find(app: &App, snapshot: &Snapshot) -> Vec<Group> {
    let groups = snapshot.problems.iter().find_map(|problem| match problem {
        Problem::DifferentPolicies { nodes } => Some(nodes),
        _ => None,
    });
    let mut found = Vec::new();
    let mut largest = None;
    for (digest, nodes) in groups.into_iter().flatten() {
        let policies = read(app, nodes.first().map_or("", String::as_str)).await;
        let reference = largest.get_or_insert_with(|| policies.clone());
        let differences = match (&*reference, &policies) {
            (Ok(reference), Ok(policies)) => Ok(changes(reference, policies)),
            (Err(error), _) | (_, Err(error)) => Err(error.clone()),
        };
        found.push(Group { digest: digest.clone(), nodes: nodes.clone(), differences });
    }
    found
}

async fn read(app: &App, address: &str) -> Result<policy_document::Policies, String> {
    let nodes = app.viewer.nodes();
    let node = nodes.iter().find(|node| node.address() == address);
    let node = node.ok_or_else(|| format!("{address} is gone"))?;
    let json = node.query(&command::export_policies()).await.map_err(|error| error.to_string())?;
    policy_document::parse(&json)
}
