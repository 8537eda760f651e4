//! Signing in at an OIDC provider.

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{DOCTYPE, html};
use serde::Deserialize;

use super::{PageFailure, layout};
use crate::app::App;
use crate::auth::ClientAddress;
use crate::operations::failure::Failure;

#[derive(Deserialize)]
pub struct Answer {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
}

/// Leads to the provider.
pub async fn begin(State(app): State<App>, headers: HeaderMap) -> Result<Response, PageFailure> {
    let (url, cookies) = app.authenticator.begin_oidc(&headers).await?;
    Ok((cookies, Redirect::to(&url)).into_response())
}

/// Takes the provider's answer.
pub async fn end(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    Query(answer): Query<Answer>,
) -> Result<Response, PageFailure> {
    let (Some(state), Some(code)) = (answer.state, answer.code) else {
        let error = answer.error.unwrap_or_else(|| "no code".to_owned());
        return Err(Failure::Invalid(format!("The provider refuses: {error}.")).into());
    };
    let cookies = app.authenticator.end_oidc(&headers, &state, code, address).await?;
    // A browser does not send the cookie of the session with a redirect that another site began.
    let overview = app.path("/overview");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                (layout::head("Signed in", &app.settings.base_path))
                meta http-equiv="refresh" content={ "0; url=" (overview) };
            }
            body { main id="content" { p { "You are signed in. " a href=(overview) { "Open the overview" } } } }
        }
    };
    Ok((cookies, page).into_response())
}
