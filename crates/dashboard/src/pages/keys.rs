//! The heaviest keys, and the search for keys.

use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::flash::LastAction;
use super::layout::{Page, live_region};
use super::problems::problems;
use super::ranking::ranking;
use super::{LivePage, PageFailure, format, render_live};
use crate::app::App;
use crate::auth::Viewer;
use crate::operations::key_search::{self, Found};
use crate::poll::Snapshot;

#[derive(Deserialize)]
pub struct KeysQuery {
    #[serde(rename = "match")]
    pattern: Option<String>,
}

pub async fn page(
    State(app): State<App>,
    Viewer(identity): Viewer,
    last: LastAction,
    Query(query): Query<KeysQuery>,
) -> Result<Response, PageFailure> {
    let base = &*app.settings.base_path;
    let pattern = query.pattern.filter(|pattern| !pattern.is_empty());
    let found = match &pattern {
        None => None,
        Some(pattern) => Some(key_search::search(&app, pattern).await?),
    };
    let live = render_live(LivePage::Keys, &app.poller.snapshot(), base);
    let page = Page {
        app: &app,
        identity: &identity,
        flash: last.0.clone(),
        title: "Keys",
        active: "/keys",
        is_live: pattern.is_none(),
    };
    let body = html! {
        form.search role="search" action={ (base) "/keys" } {
            input type="search" name="match" id="search" value=[pattern.as_deref()] placeholder="user: or user:*:search" aria-label="Prefix or pattern of keys" autocomplete="off" spellcheck="false";
            button type="submit" { "Search" }
        }
        @match &found {
            Some(found) => (results(found, base)),
            None => (live_region(base, "keys", &live)),
        }
    };
    Ok(LastAction::shown_in(last.0.is_some(), &app, page.render(&body)))
}

/// The part that each poll renders again.
pub fn live(snapshot: &Snapshot, base: &str) -> Markup {
    html! {
        (problems(snapshot))
        div.columns {
            section {
                h2 { "Denied most" }
                (ranking(&snapshot.top_denied, base, 100, "No check was denied in the last minutes. If the servers have rl.top-k 0, they count no keys."))
            }
            section {
                h2 { "Checked most" }
                (ranking(&snapshot.top_checked, base, 100, "No key was checked in the last minutes. If the servers have rl.top-k 0, they count no keys."))
            }
        }
    }
}

fn results(found: &Found, base: &str) -> Markup {
    html! {
        @for reason in &found.incomplete { p.notice.warning { "Not all keys are shown: " (reason) "." } }
        @if found.keys.is_empty() {
            p.empty { "No key matches. A key disappears when its last unit and its override have ended." }
        } @else {
            p { (found.keys.len()) " keys" }
            ul.results { @for key in &found.keys { li { (format::key_link(base, key)) } } }
        }
        p { a href={ (base) "/keys" } { "Show the heaviest keys" } }
    }
}
