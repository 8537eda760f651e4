//! The changes that were made, or attempted.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::flash::LastAction;
use super::format;
use super::layout::Page;
use crate::app::App;
use crate::auth::Viewer;
use crate::operations::audit::{Entry, STREAM};
use crate::operations::key_name;

const COUNT: usize = 200;

pub async fn page(State(app): State<App>, Viewer(identity): Viewer, last: LastAction) -> Response {
    let base = &*app.settings.base_path;
    let found = app.audit.newest(COUNT).await;
    let page = Page {
        app: &app,
        identity: &identity,
        flash: last.0.clone(),
        title: "Audit",
        active: "/audit",
        is_live: false,
    };
    let body = html! {
        p.hint { "The newest " (COUNT) " changes that this dashboard made or attempted. They are kept in the stream " code { (STREAM) } " and printed as JSON." }
        @if let Some(error) = &found.error {
            p.notice.warning { "The stream cannot be read or written: " (error) ". Changes are printed, and shown here until the dashboard ends." }
        }
        @if found.entries.is_empty() { p.empty { "No change has been made." } }
        @else {
            div.scroll { table {
                thead { tr { th { "When" } th { "Who" } th { "From" } th { "What" } th { "On" } th { "Before" } th { "After" } th { "Outcome" } } }
                tbody { @for entry in &found.entries { (row(entry, base)) } }
            } }
        }
    };
    LastAction::shown_in(last.0.is_some(), &app, page.render(&body))
}

fn row(entry: &Entry, base: &str) -> Markup {
    let is_key = !entry.action.contains("polic");
    html! {
        tr {
            td { (format::instant(entry.at_ms)) }
            td { (entry.user) " " span.hint { (entry.method) } }
            td { (entry.address) }
            td { (entry.action.replace('_', " ")) }
            td {
                @match key_name::decode(&entry.target) {
                    Ok(key) if is_key => (format::key_link(base, &key)),
                    _ => (entry.target),
                }
            }
            td.text { (entry.before) }
            td.text { (entry.after) }
            td {
                span.state.(if entry.outcome == "done" { "good" } else { "bad" }) { (entry.outcome) }
                @if !entry.error.is_empty() { " " (entry.error) }
            }
        }
    }
}
