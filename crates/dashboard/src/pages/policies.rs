//! The policies.

use axum::Form;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use ratelog_client::{Mode, Policy};
use serde::Deserialize;

use super::flash::{Flash, LastAction};
use super::layout::Page;
use super::{PageFailure, format, forms};
use crate::app::App;
use crate::auth::{Operator, Viewer};
use crate::operations::policies::{self, Diff, PolicyChange};
use crate::operations::policy_differences::Differences;
use crate::operations::{policy_differences, policy_document};

#[derive(Deserialize)]
pub struct ImportForm {
    json: String,
    /// Whether the import is to be made; if not, its changes are shown.
    #[serde(default)]
    apply: bool,
    /// The policies that the page with the changes had.
    seen: Option<String>,
}

pub async fn page(
    State(app): State<App>,
    Viewer(identity): Viewer,
    last: LastAction,
) -> Result<Response, PageFailure> {
    let base = &*app.settings.base_path;
    let found = policies::list(&app).await?;
    let snapshot = app.poller.snapshot();
    let found_differences = policy_differences::find(&app).await;
    let page = Page {
        app: &app,
        identity: &identity,
        flash: last.0.clone(),
        title: "Policies",
        active: "/policies",
        is_live: false,
    };
    let body = html! {
        (differences(&found_differences, base, identity.is_operator()))
        @if found.is_empty() {
            p.empty { "There are no policies. A policy is one to sixteen rules under a name, which checks use in place of rules of their own." }
        } @else {
            div.scroll { table {
                thead { tr { th { "Policy" } th { "Rules" } th { "Mode" } th.number { "Checks/s" } th.number { "Denied" } @if identity.is_operator() { th { span.visually-hidden { "Actions" } } } } }
                tbody { @for (name, policy) in &found {
                    @let rate = snapshot.policies.iter().find(|rates| rates.name == name.as_str()).map(|rates| rates.rate).unwrap_or_default();
                    tr {
                        td { a href={ (base) "/policy?name=" (name) } { (name) } }
                        td { (policy.rules) }
                        td { @if policy.mode == Mode::Shadow { span.state { "shadow" } } @else { "enforce" } }
                        td.number { (format::rate(rate.checks())) }
                        td.number { (format::percent(rate.denial_ratio_with_shadow())) }
                        @if identity.is_operator() { td { (switch_mode(base, name.as_str(), policy)) } }
                    }
                } }
            } }
        }
        @if identity.is_operator() {
            section { h2 { "New policy" } (form(base, "", None)) }
            section { h2 { "Import" }
                form.stacked method="post" action={ (base) "/policies/import" } {
                    label { "JSON, as exported. It replaces all policies; you see what it changes before it is applied." textarea name="json" rows="6" required spellcheck="false" {} }
                    button type="submit" { "Show changes" }
                }
            }
        }
        p { a href={ (base) "/policies/export" } download="policies.json" { "Export as JSON" } }
    };
    Ok(LastAction::shown_in(last.0.is_some(), &app, page.render(&body)))
}

/// The policies as a file.
pub async fn export(State(app): State<App>, Viewer(_): Viewer) -> Result<Response, PageFailure> {
    let json = policy_document::write(&policies::list(&app).await?);
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CONTENT_DISPOSITION, "attachment; filename=\"policies.json\""),
    ];
    Ok((headers, json).into_response())
}

/// Shows what an import changes, or makes it.
pub async fn import(
    State(app): State<App>,
    Operator(identity): Operator,
    Form(import): Form<ImportForm>,
) -> Result<Response, PageFailure> {
    if import.apply {
        let outcome = policies::import(&app, &identity, &import.json, import.seen.as_deref()).await;
        let flash =
            Flash::of(outcome, |outcomes| forms::describe("The policies are imported", &outcomes));
        return Ok(flash.redirect(&app, "/policies"));
    }
    let base = &*app.settings.base_path;
    let Diff { changes, seen } = policies::diff(&app, &import.json).await?;
    let page = Page {
        app: &app,
        identity: &identity,
        flash: None,
        title: "Import of policies",
        active: "/policies",
        is_live: false,
    };
    let body = html! {
        @if changes.is_empty() { p.empty { "The servers have exactly these policies: nothing would change." } }
        @else {
            (diff_table(&changes, ["Now", "After"]))
            form.stacked method="post" action={ (base) "/policies/import" } {
                input type="hidden" name="apply" value="true";
                input type="hidden" name="seen" value=(seen);
                textarea name="json" hidden aria-label="JSON" { (import.json) }
                button type="submit" { "Apply " (changes.len()) " changes" }
            }
        }
        p { a href={ (base) "/policies" } { "Back to the policies" } }
    };
    Ok(page.render(&body).into_response())
}

/// The form for a new or changed policy, which shows the change before it is made.
pub fn form(base: &str, name: &str, policy: Option<&Policy>) -> Markup {
    let is_shadow = policy.is_some_and(|policy| policy.mode == Mode::Shadow);
    html! {
        form.inline action={ (base) "/policies/preview" } {
            label { "Name" input name="name" value=(name) readonly[policy.is_some()] required maxlength="64" pattern="[A-Za-z0-9._:\\-\\/]+" spellcheck="false" autocomplete="off"; }
            label { "Rules" input.wide name="rules" value=[policy.map(|policy| policy.rules.to_string())] placeholder="10/second; 1000/hour" required spellcheck="false" autocomplete="off"; }
            label { "Mode" select name="mode" {
                option value="enforce" selected[!is_shadow] { "enforce" }
                option value="shadow" selected[is_shadow] { "shadow" }
            } }
            button type="submit" { "Show change" }
        }
    }
}

fn switch_mode(base: &str, name: &str, policy: &Policy) -> Markup {
    let is_shadow = policy.mode == Mode::Shadow;
    html! {
        form method="post" action={ (base) "/policies" } data-confirm={ (if is_shadow { "Enforce " } else { "Stop enforcing " }) (name) "?" } {
            input type="hidden" name="name" value=(name);
            input type="hidden" name="rules" value=(policy.rules);
            input type="hidden" name="mode" value=(if is_shadow { "enforce" } else { "shadow" });
            input type="hidden" name="seen" value=(policies::seen(Some(policy)));
            button.quiet type="submit" aria-label={ (if is_shadow { "Enforce " } else { "Shadow " }) (name) } { (if is_shadow { "Enforce" } else { "Shadow" }) }
        }
    }
}

/// The policies that differ, before and after.
pub fn diff_table(changes: &[PolicyChange], [before, after]: [&str; 2]) -> Markup {
    html! {
        div.scroll { table.diff {
            thead { tr { th { "Policy" } th { (before) } th { (after) } } }
            tbody { @for change in changes {
                tr {
                    td { (change.name) }
                    td { @match &change.before { Some(text) => del { (text) }, None => "none" } }
                    td { @match &change.after { Some(text) => ins { (text) }, None => "none" } }
                }
            } }
        } }
    }
}

/// The groups of nodes with different policies, each with the button that gives its policies to all.
fn differences(found: &Differences, base: &str, is_operator: bool) -> Markup {
    let groups = &found.groups;
    html! {
        @if !groups.is_empty() {
            section.notice.warning {
                h2 { "Nodes have different policies" }
                @for (index, group) in groups.iter().enumerate() {
                    p { code { (group.digest.get(..8).unwrap_or_default()) } " on " (group.nodes.join(", ")) }
                    @if let Some(error) = &group.error {
                        p { "The policies cannot be read: " (error) }
                    } @else if index > 0 {
                        (diff_table(&group.differences, ["First group", "This group"]))
                    }
                    @if is_operator && let Some(source) = group.nodes.first() {
                        form method="post" action={ (base) "/policies/make-equal" } data-confirm={ "Give all nodes the policies of " (source) "?" } {
                            input type="hidden" name="source" value=(source);
                            input type="hidden" name="seen" value=(found.seen);
                            button type="submit" { "Give all nodes the policies of " (source) }
                        }
                    }
                }
            }
        }
    }
}
