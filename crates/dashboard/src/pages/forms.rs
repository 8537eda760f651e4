//! The actions of forms. Each leads to the page that shows its outcome.

use std::fmt::Write;

use axum::Form;
use axum::extract::{OriginalUri, State};
use axum::response::Response;
use serde::Deserialize;

use super::PageFailure;
use super::flash::Flash;
use super::key::key_of;
use crate::app::App;
use crate::auth::Operator;
use crate::operations::counted::counted;
use crate::operations::failure::Failure;
use crate::operations::policy_nodes::NodeOutcome;
use crate::operations::{key, key_name, policies, policy_differences};

#[derive(Deserialize)]
pub struct RefundForm {
    units: u32,
}

#[derive(Deserialize)]
pub struct OverrideForm {
    key: Option<String>,
    action: String,
    rules: Option<String>,
    ttl: Option<String>,
}

#[derive(Deserialize)]
pub struct PolicyForm {
    name: String,
    rules: String,
    mode: String,
    /// The policy that the page showed.
    seen: Option<String>,
}

#[derive(Deserialize)]
pub struct DeletePolicyForm {
    name: String,
    /// The policy that the page showed.
    seen: Option<String>,
}

#[derive(Deserialize)]
pub struct DemoForm {
    run: bool,
}

#[derive(Deserialize)]
pub struct SourceForm {
    source: String,
    /// The policies of the nodes that the page showed.
    seen: Option<String>,
}

/// Starts or stops the demo traffic.
pub async fn set_demo(
    State(app): State<App>,
    Operator(_): Operator,
    Form(form): Form<DemoForm>,
) -> Response {
    let outcome = match &app.demo {
        None => Err(Failure::NotFound("the dashboard was started without --demo".to_owned())),
        Some(demo) => {
            demo.set_running(form.run);
            Ok(if form.run { "The demo traffic runs." } else { "The demo traffic has stopped." })
        }
    };
    Flash::of(outcome, str::to_owned).redirect(&app, "/overview")
}

pub async fn reset(
    State(app): State<App>,
    Operator(identity): Operator,
    uri: OriginalUri,
) -> Result<Response, PageFailure> {
    let key = key_of(&app, &uri)?;
    let outcome = key::reset(&app, &identity, &key).await;
    Ok(to_key(
        &app,
        &key,
        Flash::of(outcome, |units| counted(units, "unit is forgotten.", "units are forgotten.")),
    ))
}

pub async fn refund(
    State(app): State<App>,
    Operator(identity): Operator,
    uri: OriginalUri,
    Form(form): Form<RefundForm>,
) -> Result<Response, PageFailure> {
    let key = key_of(&app, &uri)?;
    let outcome = key::refund(&app, &identity, &key, form.units).await;
    Ok(to_key(
        &app,
        &key,
        Flash::of(outcome, |units| counted(units, "unit is taken back.", "units are taken back.")),
    ))
}

pub async fn set_override(
    State(app): State<App>,
    Operator(identity): Operator,
    uri: OriginalUri,
    Form(form): Form<OverrideForm>,
) -> Result<Response, PageFailure> {
    let key = key_of(&app, &uri)?;
    let outcome = set(&app, &identity, &key, &form).await;
    Ok(to_key(&app, &key, Flash::of(outcome, |text| format!("The override is set: {text}."))))
}

pub async fn delete_override(
    State(app): State<App>,
    Operator(identity): Operator,
    uri: OriginalUri,
) -> Result<Response, PageFailure> {
    let key = key_of(&app, &uri)?;
    let outcome = key::delete_override(&app, &identity, &key).await;
    let describe = |had_one| {
        let text = if had_one { "The override is removed." } else { "The key had no override." };
        text.to_owned()
    };
    Ok(to_key(&app, &key, Flash::of(outcome, describe)))
}

pub async fn add_override(
    State(app): State<App>,
    Operator(identity): Operator,
    Form(form): Form<OverrideForm>,
) -> Response {
    let outcome = async {
        // The empty key is one of its own.
        let key =
            form.key.as_ref().ok_or_else(|| Failure::Invalid("a key is missing".to_owned()))?;
        let text = set(&app, &identity, key.as_bytes(), &form).await?;
        Ok(format!("The override of {} is set: {text}.", key_name::show(key.as_bytes())))
    };
    let flash = Flash::of(outcome.await, |text| text);
    flash.redirect(&app, "/overrides")
}

pub async fn set_policy(
    State(app): State<App>,
    Operator(identity): Operator,
    Form(form): Form<PolicyForm>,
) -> Response {
    let outcome = async {
        let name = policies::parse_name(&form.name)?;
        let policy = policies::parse(&form.rules, &form.mode)?;
        policies::set(&app, &identity, &name, &policy, form.seen.as_deref()).await
    };
    let flash = Flash::of(outcome.await, |outcomes| {
        describe(&format!("The policy {} is stored", form.name), &outcomes)
    });
    flash.redirect(&app, "/policies")
}

pub async fn delete_policy(
    State(app): State<App>,
    Operator(identity): Operator,
    Form(form): Form<DeletePolicyForm>,
) -> Response {
    let outcome = async {
        let name = policies::parse_name(&form.name)?;
        policies::delete(&app, &identity, &name, form.seen.as_deref()).await
    };
    let flash = Flash::of(outcome.await, |outcomes| {
        describe(&format!("The policy {} is deleted", form.name), &outcomes)
    });
    flash.redirect(&app, "/policies")
}

/// Gives all primaries the policies of one node.
pub async fn make_policies_equal(
    State(app): State<App>,
    Operator(identity): Operator,
    Form(form): Form<SourceForm>,
) -> Response {
    let outcome =
        policy_differences::make_equal(&app, &identity, &form.source, form.seen.as_deref()).await;
    let flash = Flash::of(outcome, |outcomes| {
        describe(&format!("The nodes have the policies of {}", form.source), &outcomes)
    });
    flash.redirect(&app, "/policies")
}

/// The outcome of a change on each node, in words.
pub fn describe(done: &str, outcomes: &[NodeOutcome]) -> String {
    let count = outcomes.iter().filter(|outcome| outcome.outcome == "done").count();
    let mut text = format!("{done}, on {count} of {} nodes.", outcomes.len());
    for outcome in outcomes.iter().filter(|outcome| outcome.outcome != "done") {
        let error = outcome.error.as_deref().unwrap_or_default();
        let _ = write!(text, " {}: {} ({error}).", outcome.node, outcome.outcome);
    }
    text
}

async fn set(
    app: &App,
    identity: &crate::auth::Identity,
    name: &[u8],
    form: &OverrideForm,
) -> Result<String, Failure> {
    let ttl =
        match form.ttl.as_deref() {
            None | Some("") => None,
            Some(text) => Some(text.parse().map_err(|_| {
                Failure::Invalid(format!("ttl '{text}' is not a number of seconds"))
            })?),
        };
    let rules = form.rules.as_deref().filter(|_| form.action == "limit");
    let key_override = key::parse_override(&form.action, rules, ttl)?;
    key::set_override(app, identity, name, &key_override).await?;
    Ok(key::describe_override(&key_override))
}

fn to_key(app: &App, key: &[u8], flash: Flash) -> Response {
    flash.redirect(app, &format!("/keys/{}", key_name::encode(key)))
}
