use axum::Json;
use axum::extract::State;
use ratelog_client::nodes::Role;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::keys::OverrideBody;
use super::parameters::Parameters;
use crate::app::App;
use crate::auth::Viewer;
use crate::history::Bucket;
use crate::operations::audit::Entries;
use crate::operations::failure::Failure;
use crate::operations::{key_name, overrides};
use crate::poll::{NodeState, NodeStatus, Problem};

/// Checks in a second.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Rates {
    /// Allowed checks, those that a shadow policy would have denied among them.
    allowed: f32,
    /// Denied checks.
    denied: f32,
    /// Checks that a shadow policy would have denied.
    shadow_denied: f32,
    /// Checks that an override decided.
    overridden: f32,
    /// Checks that left at most a fifth of their limit.
    near: f32,
}

/// The present state.
#[derive(Debug, Serialize, ToSchema)]
pub struct Overview {
    /// The rates of all checks, over the last seconds.
    rates: Rates,
    /// The rates of each policy, the one with the most checks first.
    policies: Vec<PolicyOverview>,
    /// The nodes.
    nodes: Vec<NodeOverview>,
    /// The problems, in words.
    problems: Vec<String>,
}

/// The checks of a policy.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyOverview {
    /// The policy's name.
    name: String,
    /// The rates of its checks.
    rates: Rates,
    /// The checks since the servers started.
    checks: u64,
    /// The checks that each rule denied since then, in the order of the rules.
    denied_by_rule: Vec<u64>,
}

/// A node.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodeOverview {
    /// The address, `host:port`.
    address: String,
    /// `primary` or `replica`.
    role: &'static str,
    /// The primary's address, of a replica.
    replica_of: Option<String>,
    /// `up`, `down`, `no_module` or `unknown`.
    state: &'static str,
    /// Why it is down.
    error: Option<String>,
    /// `Redis` or `Valkey`, with the version.
    server: Option<String>,
    /// The memory that the server uses, in bytes.
    used_memory: Option<u64>,
    /// The seconds since a replica last heard from its primary or, without a link, since it lost the link.
    replication_lag_seconds: Option<u64>,
    /// The digest of the policies.
    policies_digest: Option<String>,
    /// The keys with an override.
    overrides: Option<u64>,
    /// The rates of its checks.
    rates: Rates,
}

/// Which keys.
#[derive(Deserialize, IntoParams)]
pub struct MatchQuery {
    /// A prefix, or a pattern as of `SCAN`.
    #[serde(rename = "match")]
    pattern: Option<String>,
}

/// The overrides of keys.
#[derive(Debug, Serialize, ToSchema)]
pub struct OverrideList {
    /// The overrides, in byte order of their keys.
    overrides: Vec<OverrideEntry>,
    /// Why there may be more.
    incomplete: Vec<String>,
}

/// An override and its key.
#[derive(Debug, Serialize, ToSchema)]
pub struct OverrideEntry {
    /// The key as in the paths of the API.
    key: String,
    /// The number of its database.
    database: u32,
    /// The override.
    #[serde(flatten)]
    key_override: OverrideBody,
}

impl Rates {
    /// The rates of a bucket of one second.
    #[must_use]
    pub fn of(bucket: Bucket) -> Self {
        Self {
            allowed: bucket.allowed,
            denied: bucket.denied,
            shadow_denied: bucket.shadow_denied,
            overridden: bucket.overridden,
            near: bucket.near,
        }
    }
}

impl NodeOverview {
    fn of(node: &NodeStatus) -> Self {
        let info = node.info.as_ref();
        let module = info.and_then(|info| info.module.as_ref());
        let (state, error) = match &node.state {
            NodeState::Unknown => ("unknown", None),
            NodeState::Up => ("up", None),
            NodeState::NoModule => ("no_module", None),
            NodeState::Down { error, .. } => ("down", Some(error.clone())),
        };
        let (role, replica_of) = match &node.role {
            Role::Primary => ("primary", None),
            Role::Replica { of } => ("replica", Some(of.clone())),
        };
        Self {
            address: node.address.clone(),
            role,
            replica_of,
            state,
            error,
            server: info.map(|info| info.server.clone()),
            used_memory: info.map(|info| info.used_memory),
            replication_lag_seconds: info.and_then(|info| info.replication?.lag_seconds),
            policies_digest: module.map(|module| module.digest.clone()),
            overrides: module.map(|module| module.overrides),
            rates: Rates::of(node.rate),
        }
    }
}

/// The present state.
#[utoipa::path(get, path = "/api/v1/overview", responses((status = 200, body = Overview)))]
pub async fn overview(State(app): State<App>, Viewer(_): Viewer) -> Json<Overview> {
    let snapshot = app.poller.snapshot();
    let policies = snapshot.policies.iter().map(|policy| PolicyOverview {
        name: policy.name.clone(),
        rates: Rates::of(policy.rate),
        checks: policy.checks,
        denied_by_rule: policy.denied_by_rule.clone(),
    });
    let mut problems: Vec<_> = snapshot.discovery_error.iter().cloned().collect();
    problems.extend(snapshot.problems.iter().map(Problem::to_string));
    Json(Overview {
        rates: Rates::of(snapshot.rate),
        policies: policies.collect(),
        nodes: snapshot.nodes.iter().map(NodeOverview::of).collect(),
        problems,
    })
}

/// The nodes.
#[utoipa::path(get, path = "/api/v1/nodes", responses((status = 200, body = Vec<NodeOverview>)))]
pub async fn nodes(State(app): State<App>, Viewer(_): Viewer) -> Json<Vec<NodeOverview>> {
    Json(app.poller.snapshot().nodes.iter().map(NodeOverview::of).collect())
}

/// The newest changes that were made or attempted.
#[utoipa::path(get, path = "/api/v1/audit", responses((status = 200, body = Entries)))]
pub async fn audit(State(app): State<App>, Viewer(_): Viewer) -> Json<Entries> {
    Json(app.audit.newest(1_000).await)
}

/// The overrides of all keys, or of those that match a pattern.
#[utoipa::path(get, path = "/api/v1/overrides", params(MatchQuery), responses((status = 200, body = OverrideList)))]
pub async fn overrides(
    State(app): State<App>,
    Viewer(_): Viewer,
    Parameters(query): Parameters<MatchQuery>,
) -> Result<Json<OverrideList>, Failure> {
    let found = overrides::list(&app, query.pattern.as_deref()).await?;
    let overrides = found.overrides.iter().map(|listed| OverrideEntry {
        key: key_name::encode(&listed.key),
        database: listed.database,
        key_override: OverrideBody::of(&listed.key_override),
    });
    Ok(Json(OverrideList { overrides: overrides.collect(), incomplete: found.incomplete }))
}
