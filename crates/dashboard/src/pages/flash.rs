//! The outcome of an action, which the next page shows once.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::operations::failure::Failure;

const COOKIE: &str = "ratelog_dashboard_notice";
/// A cookie has at most some four thousand bytes.
const MAX_CHARS: usize = 600;

/// A notice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Flash {
    pub text: String,
    pub is_failure: bool,
}

/// The notice of the last action, if it has not been shown.
pub struct LastAction(pub Option<Flash>);

impl Flash {
    /// A notice of the outcome of an action.
    pub fn of<T>(outcome: Result<T, Failure>, describe: impl FnOnce(T) -> String) -> Self {
        match outcome {
            Ok(done) => Self { text: describe(done), is_failure: false },
            Err(failure) => {
                let text = format!("{}: {}", failure.title(), failure.detail());
                Self { text, is_failure: true }
            }
        }
    }

    /// The class of the notice.
    pub const fn class(&self) -> &'static str {
        if self.is_failure { "failure" } else { "success" }
    }

    /// Shows the notice on another page.
    pub fn redirect(mut self, app: &App, path: &str) -> Response {
        self.text = self.text.chars().take(MAX_CHARS).collect();
        let value = serde_json::to_string(&self).unwrap_or_default();
        let authenticator = &app.authenticator;
        let cookies = authenticator.cookies(&axum::http::HeaderMap::new());
        let cookies = cookies.add(authenticator.sessions.cookie(COOKIE, value));
        (cookies, Redirect::to(&app.path(path))).into_response()
    }
}

impl FromRequestParts<App> for LastAction {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let cookies = app.authenticator.cookies(&parts.headers);
        let flash =
            cookies.get(COOKIE).and_then(|cookie| serde_json::from_str(cookie.value()).ok());
        Ok(Self(flash))
    }
}

impl LastAction {
    /// A response that shows the notice and forgets it.
    pub fn shown_in(had_notice: bool, app: &App, page: maud::Markup) -> Response {
        if !had_notice {
            return page.into_response();
        }
        let authenticator = &app.authenticator;
        let cookies = authenticator.cookies(&axum::http::HeaderMap::new());
        let mut expired = authenticator.sessions.cookie(COOKIE, String::new());
        expired.make_removal();
        (cookies.add(expired), page).into_response()
    }
}
