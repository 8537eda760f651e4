//! The pages. Each works without JavaScript, and shows its live parts again with each poll.

mod audit;
mod flash;
mod format;
mod forms;
mod key;
mod keys;
mod layout;
mod login;
mod node_table;
mod nodes;
#[cfg(feature = "oidc")]
mod oidc;
mod overrides;
mod overview;
mod policies;
mod policy;
mod policy_preview;
mod problems;
mod ranking;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use self::flash::LastAction;
use self::layout::Page;
use crate::app::App;
use crate::auth::Identity;
use crate::operations::failure::Failure;
use crate::operations::policies::MAX_DOCUMENT;
use crate::poll::Snapshot;

/// A page with a live part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LivePage {
    /// The overview.
    Overview,
    /// The lists of the heaviest keys.
    Keys,
    /// The nodes.
    Nodes,
}

impl LivePage {
    /// The page of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "overview" => Some(Self::Overview),
            "keys" => Some(Self::Keys),
            "nodes" => Some(Self::Nodes),
            _ => None,
        }
    }
}

/// The live part of a page. It is the same for all users, and rendered once for each snapshot.
#[must_use]
pub fn render_live(page: LivePage, snapshot: &Snapshot, base: &str) -> String {
    let rendered = &snapshot.rendered;
    let html = match page {
        LivePage::Overview => {
            rendered.overview.get_or_init(|| overview::live(snapshot, base).into_string())
        }
        LivePage::Keys => rendered.keys.get_or_init(|| keys::live(snapshot, base).into_string()),
        LivePage::Nodes => rendered.nodes.get_or_init(|| nodes::live(snapshot).into_string()),
    };
    html.clone()
}

/// The pages for users who are signed in.
pub fn router(app: &App) -> Router<App> {
    Router::new()
        .route("/overview", get(overview::page))
        .route("/keys", get(keys::page))
        .route("/keys/{key}", get(key::page))
        .route("/keys/{key}/reset", post(forms::reset))
        .route("/keys/{key}/refund", post(forms::refund))
        .route("/keys/{key}/override", post(forms::set_override))
        .route("/keys/{key}/override/delete", post(forms::delete_override))
        .route("/policies", get(policies::page).post(forms::set_policy))
        .route("/policies/preview", get(policy_preview::page))
        .route("/policies/export", get(policies::export))
        .route(
            "/policies/import",
            post(policies::import).layer(DefaultBodyLimit::max(MAX_DOCUMENT)),
        )
        .route("/policies/delete", post(forms::delete_policy))
        .route("/policies/make-equal", post(forms::make_policies_equal))
        .route("/policy", get(policy::page))
        .route("/overrides", get(overrides::page).post(forms::add_override))
        .route("/overrides/delete", post(overrides::delete))
        .route("/demo", post(forms::set_demo))
        .route("/nodes", get(nodes::page))
        .route("/audit", get(audit::page))
        .layer(from_fn_with_state(app.clone(), show_failure))
}

/// The pages for everybody.
pub fn login_router() -> Router<App> {
    let router = Router::new()
        .route("/login", get(login::page).post(login::sign_in))
        .route("/logout", post(login::sign_out));
    #[cfg(feature = "oidc")]
    let router =
        router.route("/login/oidc", get(oidc::begin)).route("/login/oidc/end", get(oidc::end));
    router
}

/// The answer to a request for a page that does not exist.
pub async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "There is no such page.\n").into_response()
}

/// A failure of a page, which [`show_failure`] renders.
pub struct PageFailure(pub Failure);

impl From<Failure> for PageFailure {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl IntoResponse for PageFailure {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

/// Shows a failure in the frame of the pages, and the outcome of an action that led to it.
async fn show_failure(
    State(app): State<App>,
    last: LastAction,
    request: Request,
    next: Next,
) -> Response {
    let identity = request.extensions().get::<Identity>().cloned();
    let response = next.run(request).await;
    let failure = response.extensions().get::<Failure>();
    let (Some(identity), Some(failure)) = (identity, failure) else { return response };
    let page = Page {
        app: &app,
        identity: &identity,
        flash: last.0.clone(),
        title: failure.title(),
        active: "",
        is_live: false,
    };
    let body = maud::html! {
        p.notice.failure role="alert" { (failure.detail()) }
        p { "Go back, or open the " a href={ (app.path("/overview")) } { "overview" } "." }
    };
    let shown = LastAction::shown_in(last.0.is_some(), &app, page.render(&body));
    (failure.status(), shown).into_response()
}
