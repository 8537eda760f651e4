use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::{JsonRejection, StringRejection};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use ratelog_client::{Mode, Policy, PolicyName};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::keys::json;
use super::parameters::Parameters;
use crate::app::App;
use crate::auth::{Identity, Operator, Viewer};
use crate::operations::failure::Failure;
use crate::operations::policies::{self, Diff};
use crate::operations::policy_differences::{self, Differences};
use crate::operations::policy_nodes::NodeOutcome;
use crate::operations::policy_sample::{self, Sample};

/// A policy.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyBody {
    /// The rules, such as `10/second; 1000/hour`.
    rules: String,
    /// `enforce` or `shadow`.
    mode: String,
}

/// Rules, and the keys to try them on.
#[derive(Deserialize, IntoParams)]
pub struct SampleQuery {
    /// The rules, such as `10/second; 1000/hour`.
    rules: String,
    /// A prefix or a pattern of keys; without one, the keys with the most checks.
    #[serde(rename = "match")]
    pattern: Option<String>,
}

/// The policies that the user of an import has seen.
#[derive(Deserialize, IntoParams)]
pub struct ImportQuery {
    /// The `seen` of a diff: the import is rejected if the policies have changed since.
    seen: Option<String>,
}

/// The node whose policies all are to have.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceBody {
    /// The node's address.
    source: String,
    /// The `seen` of the differences: nothing is done if the policies have changed since.
    seen: Option<String>,
}

impl PolicyBody {
    fn of(policy: &Policy) -> Self {
        let mode = match policy.mode {
            Mode::Enforce => "enforce",
            Mode::Shadow => "shadow",
        };
        Self { rules: policy.rules.to_string(), mode: mode.to_owned() }
    }
}

/// All policies, by name.
#[utoipa::path(get, path = "/api/v1/policies", responses((status = 200, body = BTreeMap<String, PolicyBody>)))]
pub async fn list(
    State(app): State<App>,
    Viewer(_): Viewer,
) -> Result<Json<BTreeMap<String, PolicyBody>>, Failure> {
    let found = policies::list(&app).await?;
    let bodies = found.iter().map(|(name, policy)| (name.to_string(), PolicyBody::of(policy)));
    Ok(Json(bodies.collect()))
}

/// A policy.
#[utoipa::path(get, path = "/api/v1/policies/{name}", params(("name" = String, Path, description = "The policy's name")), responses((status = 200, body = PolicyBody)))]
pub async fn read(
    State(app): State<App>,
    Viewer(_): Viewer,
    Path(name): Path<String>,
) -> Result<Json<PolicyBody>, Failure> {
    let policy = policies::get(&app, &parse_name(&name)?).await?;
    Ok(Json(PolicyBody::of(&policy)))
}

/// Sets a policy on every primary. Returns the outcome on each.
#[utoipa::path(put, path = "/api/v1/policies/{name}", params(("name" = String, Path, description = "The policy's name")), request_body = PolicyBody, responses((status = 200, body = Vec<NodeOutcome>)))]
pub async fn set(
    State(app): State<App>,
    Operator(identity): Operator,
    Path(name): Path<String>,
    body: Result<Json<PolicyBody>, JsonRejection>,
) -> Result<Json<Vec<NodeOutcome>>, Failure> {
    let body = json(body)?;
    let name = parse_name(&name)?;
    let policy = policies::parse(&body.rules, &body.mode)?;
    Ok(Json(policies::set(&app, &identity, &name, &policy, None).await?))
}

/// Deletes a policy on every primary. Returns the outcome on each.
#[utoipa::path(delete, path = "/api/v1/policies/{name}", params(("name" = String, Path, description = "The policy's name")), responses((status = 200, body = Vec<NodeOutcome>)))]
pub async fn delete(
    State(app): State<App>,
    Operator(identity): Operator,
    Path(name): Path<String>,
) -> Result<Json<Vec<NodeOutcome>>, Failure> {
    let name = parse_name(&name)?;
    Ok(Json(policies::delete(&app, &identity, &name, None).await?))
}

/// The decisions of rules on the recorded units of some keys.
#[utoipa::path(get, path = "/api/v1/what-if", params(SampleQuery), responses((status = 200, body = Sample)))]
pub async fn what_if(
    State(app): State<App>,
    Viewer(_): Viewer,
    Parameters(query): Parameters<SampleQuery>,
) -> Result<Json<Sample>, Failure> {
    let policy = policies::parse(&query.rules, "enforce")?;
    let pattern = query.pattern.as_deref().filter(|pattern| !pattern.is_empty());
    Ok(Json(policy_sample::what_if(&app, &policy.rules, pattern).await?))
}

/// Replaces all policies on every primary by those of a document, as `RL.POLICY EXPORT` returns it.
#[utoipa::path(post, path = "/api/v1/policies/import", params(ImportQuery), request_body = String, responses((status = 200, body = Vec<NodeOutcome>)))]
pub async fn import(
    app: &App,
    identity: &Identity,
    document: &str,
    query: &ImportQuery,
) -> Result<Vec<NodeOutcome>, Failure> {
    policies::import(app, identity, document, query.seen.as_deref()).await
}

/// The changes that an import of a document would make.
#[utoipa::path(post, path = "/api/v1/policies/diff", request_body = String, responses((status = 200, body = Diff)))]
pub async fn diff(app: &App, document: &str) -> Result<Diff, Failure> {
    policies::diff(app, document).await
}

/// The actions on all policies. A policy may have the name of one as well.
pub async fn act(
    State(app): State<App>,
    Operator(identity): Operator,
    Path(action): Path<String>,
    Parameters(query): Parameters<ImportQuery>,
    body: Result<String, StringRejection>,
) -> Result<Response, Failure> {
    let document = || body.map_err(|error| Failure::Invalid(error.body_text()));
    match &*action {
        "import" => Ok(Json(import(&app, &identity, &document()?, &query).await?).into_response()),
        "diff" => Ok(Json(diff(&app, &document()?).await?).into_response()),
        _ => Err(Failure::WrongMethod),
    }
}

/// The policies of nodes that do not have the same ones, by groups of nodes that have.
#[utoipa::path(get, path = "/api/v1/nodes/policies", responses((status = 200, body = Differences)))]
pub async fn differences(State(app): State<App>, Viewer(_): Viewer) -> Json<Differences> {
    Json(policy_differences::find(&app).await)
}

/// Gives all primaries the policies of one node. Returns the outcome on each.
#[utoipa::path(put, path = "/api/v1/nodes/policies", request_body = SourceBody, responses((status = 200, body = Vec<NodeOutcome>)))]
pub async fn make_equal(
    State(app): State<App>,
    Operator(identity): Operator,
    body: Result<Json<SourceBody>, JsonRejection>,
) -> Result<Json<Vec<NodeOutcome>>, Failure> {
    let SourceBody { source, seen } = json(body)?;
    Ok(Json(policy_differences::make_equal(&app, &identity, &source, seen.as_deref()).await?))
}

/// The name of a policy in a path. Browsers take `.` and `..` for other paths, so these are `@hex:2e` and `@hex:2e2e`.
fn parse_name(path: &str) -> Result<PolicyName, Failure> {
    policies::parse_name(match path {
        "@hex:2e" => ".",
        "@hex:2e2e" => "..",
        name => name,
    })
}
