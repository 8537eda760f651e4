//! One policy: its rules, and what another version of it would do.

use axum::extract::{Query, State};
use axum::response::Response;
use maud::html;
use ratelog_client::{Mode, Policy};
use serde::Deserialize;

use super::flash::LastAction;
use super::layout::Page;
use super::{PageFailure, policies};
use crate::app::App;
use crate::auth::Viewer;
use crate::operations;

#[derive(Deserialize)]
pub struct PolicyQuery {
    name: String,
}

pub async fn page(
    State(app): State<App>,
    Viewer(identity): Viewer,
    last: LastAction,
    Query(query): Query<PolicyQuery>,
) -> Result<Response, PageFailure> {
    let base = &*app.settings.base_path;
    let name = operations::policies::parse_name(&query.name)?;
    let policy = operations::policies::get(&app, &name).await?;
    let title = format!("Policy {name}");
    let page = Page {
        app: &app,
        identity: &identity,
        flash: last.0.clone(),
        title: &title,
        active: "/policies",
        is_live: false,
    };
    let body = html! {
        dl.facts {
            dt { "Rules" } dd { (policy.rules) }
            dt { "Mode" } dd { (mode(&policy)) }
        }
        section.charts { h2 { "Checks a second" }
            div.chart data-chart="checks" data-history={ (base) "/api/v1/overview/history?policy=" (name) } {}
        }
        @if identity.is_operator() {
            section { h2 { "Change" }
                (policies::form(base, &name.to_string(), Some(&policy)))
                form.inline method="post" action={ (base) "/policies/delete" } data-confirm={ "Delete the policy " (name) "? Checks that name it then fail." } {
                    input type="hidden" name="name" value=(name);
                    input type="hidden" name="seen" value=(operations::policies::seen(Some(&policy)));
                    button.danger type="submit" { "Delete policy" }
                }
            }
        }
    };
    Ok(LastAction::shown_in(last.0.is_some(), &app, page.render(&body)))
}

/// A policy's mode, in words.
pub fn mode(policy: &Policy) -> &'static str {
    match policy.mode {
        Mode::Enforce => "enforce",
        Mode::Shadow => "shadow: counts what it would deny, and denies nothing",
    }
}
