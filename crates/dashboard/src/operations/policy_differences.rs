//! The policies of nodes that do not have the same ones.

use std::fmt::Write;

use ratelog_client::command;
use serde::Serialize;
use utoipa::ToSchema;

use super::audit::Change;
use super::failure::Failure;
use super::known_nodes::known_nodes;
use super::policies::{CHANGED_SINCE_SEEN, PolicyChange, changes, lines, seen_all};
use super::policy_document::{self, Policies};
use super::policy_nodes::{self, NodeOutcome};
use crate::app::App;
use crate::auth::Identity;
use crate::poll::Problem;

/// Nodes that have the same policies.
#[derive(Debug, Serialize, ToSchema)]
pub struct Group {
    /// The digest of the policies.
    pub digest: String,
    /// The addresses of the nodes.
    pub nodes: Vec<String>,
    /// The differences to the largest group: the policy there is `before`, the one here is `after`.
    pub differences: Vec<PolicyChange>,
    /// Why the policies cannot be read; then there are no differences.
    pub error: Option<String>,
}

/// The groups of nodes that have the same policies.
#[derive(Debug, Serialize, ToSchema)]
pub struct Differences {
    /// The groups, the largest one first; none if all nodes have the same policies.
    pub groups: Vec<Group>,
    /// A digest of the policies of all groups, with which [`make_equal`] does nothing if they have changed since.
    pub seen: String,
}

impl Differences {
    /// The policies that differ, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for group in &self.groups {
            let _ = writeln!(text, "on {}:", group.nodes.join(", "));
            for change in &group.differences {
                let after = change.after.as_deref().unwrap_or("none");
                let _ = writeln!(text, "{}: {after}", change.name);
            }
        }
        text
    }
}

/// The policies of nodes that do not have the same ones, by their digests at the last poll.
pub async fn find(app: &App) -> Differences {
    let snapshot = app.poller.snapshot();
    let known = snapshot.problems.iter().find_map(|problem| match problem {
        Problem::DifferentPolicies { nodes } => Some(nodes),
        _ => None,
    });
    let mut groups = Vec::new();
    let mut all = Vec::new();
    for (digest, nodes) in known.into_iter().flatten() {
        let address = nodes.first().map_or("", String::as_str);
        let policies = read(app, address).await.map_err(|failure| failure.detail());
        let reference = all.first().unwrap_or(&policies);
        let (differences, error) = match (reference, &policies) {
            (Ok(reference), Ok(policies)) => (changes(reference, policies), None),
            (Err(error), _) | (_, Err(error)) => (Vec::new(), Some(error.clone())),
        };
        groups.push(Group { digest: digest.clone(), nodes: nodes.clone(), differences, error });
        all.push(policies);
    }
    // They may have become equal since the poll.
    if groups.iter().all(|group| group.differences.is_empty() && group.error.is_none()) {
        groups.clear();
    }
    let seen = all.iter().map(|policies| policies.as_ref().map_or_else(String::clone, seen_all));
    Differences { groups, seen: seen.collect::<Vec<_>>().join(" ") }
}

/// The policies of a node.
///
/// # Errors
/// [`Failure::NotFound`] if there is no such node; errors of the node.
async fn read(app: &App, address: &str) -> Result<Policies, Failure> {
    let nodes = known_nodes(&app.viewer).await?;
    let node = nodes.iter().find(|node| node.address() == address);
    let node = node.ok_or_else(|| Failure::NotFound(format!("there is no node {address}")))?;
    let json = node.query(&command::export_policies()).await.map_err(Failure::of_read)?;
    policy_document::parse(&json).map_err(Failure::Rejected)
}

/// Gives all primaries the policies of one node, unless the nodes do not have those that their user saw: `seen` is that of
/// [`Differences`]. Returns the outcome on each.
///
/// # Errors
/// [`Failure::NotFound`] if there is no such node; [`Failure::Rejected`] if the policies are others now; that of a node, if
/// it failed on all of them.
pub async fn make_equal(
    app: &App,
    identity: &Identity,
    source: &str,
    seen: Option<&str>,
) -> Result<Vec<NodeOutcome>, Failure> {
    let differences = find(app).await;
    let read = read(app, source).await;
    let change = Change {
        action: "import_policies",
        target: "all policies".to_owned(),
        before: differences.describe(),
        after: read.as_ref().map_or_else(|_| format!("those of {source}"), lines),
    };
    let make = async {
        if seen.is_some_and(|seen| seen != differences.seen) {
            return Err(Failure::Rejected(CHANGED_SINCE_SEEN.to_owned()));
        }
        let json = policy_document::write(&read?);
        let import = || command::import_policies(&json);
        Ok(policy_nodes::run(app.operator().await, import).await?.0)
    };
    app.audit.run_on_nodes(identity, change, make).await
}
