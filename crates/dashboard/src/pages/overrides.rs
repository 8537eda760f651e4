//! The overrides of all keys.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use ratelog_client::command::ListedOverride;
use serde::Deserialize;

use super::flash::{Flash, LastAction};
use super::layout::Page;
use super::{PageFailure, format, key};
use crate::app::App;
use crate::auth::{Identity, Operator, Viewer};
use crate::operations::counted::counted;
use crate::operations::failure::Failure;
use crate::operations::{self, key_name, overrides};

#[derive(Deserialize)]
pub struct OverridesQuery {
    #[serde(rename = "match")]
    pattern: Option<String>,
}

pub async fn page(
    State(app): State<App>,
    Viewer(identity): Viewer,
    last: LastAction,
    Query(query): Query<OverridesQuery>,
) -> Result<Response, PageFailure> {
    let base = &*app.settings.base_path;
    let pattern = query.pattern.filter(|pattern| !pattern.is_empty());
    let found = overrides::list(&app, pattern.as_deref()).await?;
    let page = Page {
        app: &app,
        identity: &identity,
        flash: last.0.clone(),
        title: "Overrides",
        active: "/overrides",
        is_live: false,
    };
    let body = html! {
        form.search action={ (base) "/overrides" } {
            input type="search" name="match" value=[pattern.as_deref()] placeholder="user: or user:*:search" aria-label="Prefix or pattern of keys" autocomplete="off" spellcheck="false";
            button.quiet type="submit" { "Filter" }
        }
        @for reason in &found.incomplete { p.notice.warning { "Not all overrides are shown: " (reason) "." } }
        @if found.overrides.is_empty() {
            p.empty { "There are no overrides" @if pattern.is_some() { " of such keys" } ". An override replaces the rules of one key's checks." }
        } @else { (list(&found.overrides, app.viewer.database(), base, &identity)) }
        @if identity.is_operator() {
            section { h2 { "New override" }
                form.inline method="post" action={ (base) "/overrides" } {
                    label { "Key" input name="key" required spellcheck="false" autocomplete="off"; }
                    (key::override_fields())
                    button type="submit" { "Set override" }
                }
            }
        }
    };
    Ok(LastAction::shown_in(last.0.is_some(), &app, page.render(&body)))
}

/// Removes the chosen overrides, or shows them before.
pub async fn delete(
    State(app): State<App>,
    Operator(identity): Operator,
    body: String,
) -> Result<Response, PageFailure> {
    let (keys, is_confirmed) = chosen(&body)?;
    if is_confirmed {
        let mut removed = 0;
        for key in &keys {
            match operations::key::delete_override(&app, &identity, key).await {
                Ok(had_one) => removed += u64::from(had_one),
                Err(failure) => {
                    let text = format!(
                        "{removed} of {} overrides are removed. {}: {}",
                        keys.len(),
                        key_name::show(key),
                        failure.detail()
                    );
                    return Ok(Flash { text, is_failure: true }.redirect(&app, "/overrides"));
                }
            }
        }
        let text = counted(removed, "override is removed.", "overrides are removed.");
        return Ok(Flash { text, is_failure: false }.redirect(&app, "/overrides"));
    }
    let page = Page {
        app: &app,
        identity: &identity,
        flash: None,
        title: "Remove overrides",
        active: "/overrides",
        is_live: false,
    };
    let base = &*app.settings.base_path;
    let body = html! {
        @if keys.is_empty() { p.empty { "No override is chosen." } }
        @else {
            p { "These keys get the rules of their checks again:" }
            form method="post" action={ (base) "/overrides/delete" } {
                ul.results { @for key in &keys { li { (format::key_link(base, key)) input type="hidden" name="key" value=(key_name::encode(key)); } } }
                input type="hidden" name="confirm" value="true";
                button.danger type="submit" { "Remove " (counted(keys.len() as u64, "override", "overrides")) }
            }
        }
        p { a href={ (base) "/overrides" } { "Back to the overrides" } }
    };
    Ok(page.render(&body).into_response())
}

/// The keys of a form, and whether it confirms.
fn chosen(body: &str) -> Result<(Vec<Vec<u8>>, bool), Failure> {
    let fields: Vec<(String, String)> = axum_form(body);
    let keys = fields.iter().filter(|(name, _)| name == "key");
    let keys = keys.map(|(_, value)| key_name::decode(value)).collect::<Result<_, _>>()?;
    Ok((keys, fields.iter().any(|(name, _)| name == "confirm")))
}

fn axum_form(body: &str) -> Vec<(String, String)> {
    serde_urlencoded::from_str(body).unwrap_or_default()
}

/// The overrides of all databases. Those of others than `database` cannot be changed, nor are their keys those of the pages.
fn list(found: &[ListedOverride], database: i64, base: &str, identity: &Identity) -> Markup {
    let is_own = |listed: &ListedOverride| i64::from(listed.database) == database;
    let table = html! {
        div.scroll { table {
            thead { tr { @if identity.is_operator() { th { span.visually-hidden { "Choose" } } } th { "Key" } th { "Override" } th { "Ends in" } th.number { "Database" } } }
            tbody { @for listed in found {
                tr {
                    @if identity.is_operator() { td { @if is_own(listed) { input type="checkbox" name="key" value=(key_name::encode(&listed.key)) aria-label={ "Choose " (key_name::show(&listed.key)) }; } } }
                    td { @if is_own(listed) { (format::key_link(base, &listed.key)) } @else { code { (key_name::show(&listed.key)) } } }
                    td { (operations::key::describe_action(&listed.key_override.action)) }
                    td { @match listed.key_override.ttl { Some(ttl) => (format::countdown(ttl)), None => "never" } }
                    td.number { (listed.database) }
                }
            } }
        } }
    };
    html! {
        @if identity.is_operator() {
            form method="post" action={ (base) "/overrides/delete" } {
                (table)
                button.danger type="submit" { "Remove chosen…" }
            }
        } @else { (table) }
        @if !found.iter().all(is_own) {
            p.hint { "This dashboard changes keys of database " (database) ". For those of another one, start a dashboard with its number in --url, such as redis://192.0.2.1:6379/2." }
        }
    }
}
