use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{OriginalUri, State};
use ratelog_client::command::{Override, Ranked};
use ratelog_client::{Action, DecidedBy, Decision, Rules};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::parameters::Parameters;
use crate::app::App;
use crate::auth::{Operator, Viewer};
use crate::clock::unix_ms;
use crate::operations::failure::Failure;
use crate::operations::key;
use crate::operations::what_if::{RecordedUnits, WhatIf};
use crate::operations::{key_name, key_search};

/// Which keys.
#[derive(Deserialize, IntoParams)]
pub struct KeysQuery {
    /// `denied` or `checked`: the keys with the most such checks in recent minutes.
    top: Option<String>,
    /// A prefix, or a pattern as of `SCAN`.
    #[serde(rename = "match")]
    pattern: Option<String>,
}

/// Keys.
#[derive(Debug, Serialize, ToSchema)]
pub struct Keys {
    /// The keys: the heaviest first, or in byte order.
    keys: Vec<ListedKey>,
    /// Why there may be more.
    incomplete: Vec<String>,
}

/// A key in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListedKey {
    /// The key as in the paths of the API: percent-encoded, or a reference that begins with `@`. A reference to a long key
    /// works until many others have been listed.
    key: String,
    /// Whether `key` is only the start of a long key, with its length and its hash, as `RL.TOP` shortens it.
    shortened: bool,
    /// The estimated count of its checks, in a list of the heaviest keys.
    count: Option<u64>,
}

/// Under which rules.
#[derive(Deserialize, IntoParams)]
pub struct KeyQuery {
    /// The name of a policy, or rules such as `10/second; 1000/hour`.
    rules: Option<String>,
}

/// A key.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyDetails {
    /// The key as in the paths of the API.
    key: String,
    /// All its bytes, percent-encoded.
    percent_encoded: String,
    /// Whether the key has units or an override.
    exists: bool,
    /// The units in its log.
    units: u64,
    /// When the oldest units were recorded, in milliseconds since the epoch.
    oldest_ms: Option<u64>,
    /// When the newest units were recorded.
    newest_ms: Option<u64>,
    /// How long units stay in the log, in milliseconds.
    retention_ms: Option<u64>,
    /// Its override.
    #[serde(rename = "override")]
    key_override: Option<OverrideBody>,
    /// The decision on its next check, if the query has rules.
    next_check: Option<NextCheck>,
}

/// The decision on the next check of a key.
#[derive(Debug, Serialize, ToSchema)]
pub struct NextCheck {
    /// The decision.
    decision: DecisionBody,
    /// `rules`, `override` or `shadow`.
    decided_by: &'static str,
    /// The index of the rule that decides.
    rule: Option<usize>,
    /// The decision of each rule.
    rules: Vec<DecisionBody>,
}

/// A decision.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionBody {
    /// Whether the check is allowed.
    allowed: bool,
    /// The limit.
    limit: u64,
    /// The units that the rule still allows.
    remaining: u64,
    /// The time until the check would be allowed, in milliseconds; null if it never is.
    retry_after_ms: Option<u64>,
    /// The time until the window is empty, in milliseconds.
    reset_after_ms: u64,
    /// The window, in milliseconds.
    window_ms: u64,
}

/// An override.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideBody {
    /// `allow`, `deny` or `limit`.
    action: String,
    /// The rules of `limit`, such as `10/second; 1000/hour`.
    rules: Option<String>,
    /// The seconds until it ends; null if it does not.
    ttl: Option<u64>,
}

/// A part of a key's units.
#[derive(Deserialize, IntoParams)]
pub struct HitsQuery {
    /// Only units before this instant, in milliseconds since the epoch.
    before: Option<u64>,
}

/// Other rules.
#[derive(Deserialize, IntoParams)]
pub struct WhatIfQuery {
    /// The limit.
    limit: u32,
    /// The window, such as `60`, `60s` or `1h`.
    window: String,
}

/// Units to take back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundBody {
    /// The number of units, at least 1.
    units: u32,
}

/// The units that an action concerned.
#[derive(Serialize, ToSchema)]
pub struct UnitsBody {
    /// The number of units.
    units: u64,
}

/// Whether there was an override.
#[derive(Serialize, ToSchema)]
pub struct DeletedBody {
    /// Whether the key had an override.
    deleted: bool,
}

impl OverrideBody {
    /// An override of the servers.
    #[must_use]
    pub fn of(key_override: &Override) -> Self {
        let (action, rules) = match &key_override.action {
            Action::Allow => ("allow", None),
            Action::Deny => ("deny", None),
            Action::Limit(rules) => ("limit", Some(rules.to_string())),
        };
        let ttl = key_override.ttl.map(|ttl| ttl.as_millis().div_ceil(1_000));
        Self {
            action: action.to_owned(),
            rules,
            ttl: ttl.map(|seconds| u64::try_from(seconds).unwrap_or(u64::MAX)),
        }
    }
}

impl DecisionBody {
    fn of(decision: &Decision) -> Self {
        let millis =
            |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            allowed: decision.allowed(),
            limit: decision.limit(),
            remaining: decision.remaining(),
            retry_after_ms: if decision.allowed() {
                Some(0)
            } else {
                decision.retry_after().map(millis)
            },
            reset_after_ms: millis(decision.reset_after()),
            window_ms: millis(decision.window()),
        }
    }
}

/// The heaviest keys, or those that match a pattern.
#[utoipa::path(get, path = "/api/v1/keys", params(KeysQuery), responses((status = 200, body = Keys)))]
pub async fn list(
    State(app): State<App>,
    Viewer(_): Viewer,
    Parameters(query): Parameters<KeysQuery>,
) -> Result<Json<Keys>, Failure> {
    let heaviest = |ranked: &[Ranked]| Keys {
        keys: ranked
            .iter()
            .map(|ranked| ListedKey {
                key: key_name::encode(&ranked.key),
                shortened: key_name::is_shortened(&ranked.key),
                count: Some(ranked.count),
            })
            .collect(),
        incomplete: Vec::new(),
    };
    let snapshot = app.poller.snapshot();
    match (query.top.as_deref(), query.pattern) {
        (Some("denied"), None) => Ok(Json(heaviest(&snapshot.top_denied))),
        (Some("checked"), None) => Ok(Json(heaviest(&snapshot.top_checked))),
        (None, Some(pattern)) => {
            let found = key_search::search(&app, &pattern).await?;
            let keys = found.keys.iter().map(|key| ListedKey {
                key: key_name::encode(key),
                shortened: false,
                count: None,
            });
            Ok(Json(Keys { keys: keys.collect(), incomplete: found.incomplete }))
        }
        _ => Err(Failure::Invalid("give either top=denied, top=checked or match=".to_owned())),
    }
}

/// A key, and the decision on its next check.
#[utoipa::path(get, path = "/api/v1/keys/{key}", params(("key" = String, Path, description = "The key, percent-encoded, or the reference of a list"), KeyQuery), responses((status = 200, body = KeyDetails)))]
pub async fn read(
    State(app): State<App>,
    Viewer(_): Viewer,
    uri: OriginalUri,
    Parameters(query): Parameters<KeyQuery>,
) -> Result<Json<KeyDetails>, Failure> {
    let name = key_of(&app, &uri)?;
    let rules = query.rules.as_deref().map(key::parse_rule_source).transpose()?;
    let state = key::read(&app, &name, rules.as_ref()).await?;
    let inspection = state.inspection.as_ref();
    let next_check = state.explanation.map(|explanation| NextCheck {
        decision: DecisionBody::of(&explanation.decision),
        decided_by: match explanation.decided_by {
            DecidedBy::Rules => "rules",
            DecidedBy::Override => "override",
            DecidedBy::Shadow => "shadow",
        },
        rule: explanation.rule,
        rules: explanation.rules.iter().map(DecisionBody::of).collect(),
    });
    Ok(Json(KeyDetails {
        key: key_name::encode(&name),
        percent_encoded: key_name::percent_encoded(&name),
        exists: inspection.is_some(),
        units: inspection.map_or(0, |found| found.units),
        oldest_ms: inspection.and_then(|found| found.oldest).map(unix_ms),
        newest_ms: inspection.and_then(|found| found.newest).map(unix_ms),
        retention_ms: inspection
            .map(|found| u64::try_from(found.retention.as_millis()).unwrap_or(u64::MAX)),
        key_override: inspection
            .and_then(|found| found.key_override.as_ref())
            .map(OverrideBody::of),
        next_check,
    }))
}

/// A key's units, newest first, at most 1,000 instants.
#[utoipa::path(get, path = "/api/v1/keys/{key}/hits", params(("key" = String, Path, description = "The key, percent-encoded, or the reference of a list"), HitsQuery), responses((status = 200, body = Vec<RecordedUnits>)))]
pub async fn hits(
    State(app): State<App>,
    Viewer(_): Viewer,
    uri: OriginalUri,
    Parameters(query): Parameters<HitsQuery>,
) -> Result<Json<Vec<RecordedUnits>>, Failure> {
    Ok(Json(key::hits(&app, &key_of(&app, &uri)?, query.before).await?))
}

/// The decisions of another rule on a key's recorded units.
#[utoipa::path(get, path = "/api/v1/keys/{key}/what-if", params(("key" = String, Path, description = "The key, percent-encoded, or the reference of a list"), WhatIfQuery), responses((status = 200, body = WhatIf)))]
pub async fn what_if(
    State(app): State<App>,
    Viewer(_): Viewer,
    uri: OriginalUri,
    Parameters(query): Parameters<WhatIfQuery>,
) -> Result<Json<WhatIf>, Failure> {
    let rules = Rules::one(key::parse_rule(query.limit, &query.window)?);
    Ok(Json(key::what_if(&app, &key_of(&app, &uri)?, &rules).await?))
}

/// Sets a key's override.
#[utoipa::path(put, path = "/api/v1/keys/{key}/override", params(("key" = String, Path, description = "The key, percent-encoded, or the reference of a list")), request_body = OverrideBody, responses((status = 200, body = OverrideBody)))]
pub async fn set_override(
    State(app): State<App>,
    Operator(identity): Operator,
    uri: OriginalUri,
    body: Result<Json<OverrideBody>, JsonRejection>,
) -> Result<Json<OverrideBody>, Failure> {
    let body = json(body)?;
    let key_override = key::parse_override(&body.action, body.rules.as_deref(), body.ttl)?;
    key::set_override(&app, &identity, &key_of(&app, &uri)?, &key_override).await?;
    Ok(Json(OverrideBody::of(&key_override)))
}

/// Deletes a key's override.
#[utoipa::path(delete, path = "/api/v1/keys/{key}/override", params(("key" = String, Path, description = "The key, percent-encoded, or the reference of a list")), responses((status = 200, body = DeletedBody)))]
pub async fn delete_override(
    State(app): State<App>,
    Operator(identity): Operator,
    uri: OriginalUri,
) -> Result<Json<DeletedBody>, Failure> {
    let deleted = key::delete_override(&app, &identity, &key_of(&app, &uri)?).await?;
    Ok(Json(DeletedBody { deleted }))
}

/// Deletes a key's units. Returns their number.
#[utoipa::path(post, path = "/api/v1/keys/{key}/reset", params(("key" = String, Path, description = "The key, percent-encoded, or the reference of a list")), responses((status = 200, body = UnitsBody)))]
pub async fn reset(
    State(app): State<App>,
    Operator(identity): Operator,
    uri: OriginalUri,
) -> Result<Json<UnitsBody>, Failure> {
    let units = key::reset(&app, &identity, &key_of(&app, &uri)?).await?;
    Ok(Json(UnitsBody { units }))
}

/// Takes back a key's newest units. Returns how many.
#[utoipa::path(post, path = "/api/v1/keys/{key}/refund", params(("key" = String, Path, description = "The key, percent-encoded, or the reference of a list")), request_body = RefundBody, responses((status = 200, body = UnitsBody)))]
pub async fn refund(
    State(app): State<App>,
    Operator(identity): Operator,
    uri: OriginalUri,
    body: Result<Json<RefundBody>, JsonRejection>,
) -> Result<Json<UnitsBody>, Failure> {
    let units = json(body)?.units;
    let units = key::refund(&app, &identity, &key_of(&app, &uri)?, units).await?;
    Ok(Json(UnitsBody { units }))
}

/// The content of a request's body.
pub fn json<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Failure> {
    body.map(|Json(body)| body).map_err(|error| Failure::Invalid(error.body_text()))
}

/// The key in the path of a request.
fn key_of(app: &App, OriginalUri(uri): &OriginalUri) -> Result<Vec<u8>, Failure> {
    let rest = uri.path().strip_prefix(&*app.path("/api/v1/keys/")).unwrap_or_default();
    key_name::decode(rest.split('/').next().unwrap_or_default())
}
