//! The nodes.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::flash::LastAction;
use super::layout::{Page, live_region};
use super::node_table::node_table;
use super::problems::problems;
use super::{LivePage, render_live};
use crate::app::App;
use crate::auth::Viewer;
use crate::poll::Snapshot;

pub async fn page(State(app): State<App>, Viewer(identity): Viewer, last: LastAction) -> Response {
    let base = &*app.settings.base_path;
    let live = render_live(LivePage::Nodes, &app.poller.snapshot(), base);
    let page = Page {
        app: &app,
        identity: &identity,
        flash: last.0.clone(),
        title: "Nodes",
        active: "/nodes",
        is_live: true,
    };
    LastAction::shown_in(last.0.is_some(), &app, page.render(&live_region(base, "nodes", &live)))
}

/// The part that each poll renders again.
pub fn live(snapshot: &Snapshot) -> Markup {
    html! {
        (problems(snapshot))
        (node_table(snapshot))
    }
}
