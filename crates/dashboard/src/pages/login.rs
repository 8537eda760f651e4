//! Signing in and out.

use axum::Form;
use axum::extract::{Query, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;

use super::layout;
use crate::app::App;
use crate::auth::ClientAddress;
use crate::operations::failure::Failure;

#[derive(Deserialize)]
pub struct LoginQuery {
    token: Option<String>,
    next: Option<String>,
    /// True if a form was sent without a session, so that its change was not made.
    #[serde(default)]
    repeat: bool,
}

#[derive(Deserialize)]
pub struct LoginForm {
    user: String,
    password: String,
    next: Option<String>,
}

/// The login page; or, with the token of the link on the terminal, the overview.
pub async fn page(
    State(app): State<App>,
    Query(query): Query<LoginQuery>,
    headers: HeaderMap,
) -> Response {
    if let Some(token) = query.token {
        return match app.authenticator.redeem(&token) {
            Ok(cookie) => {
                let cookies = app.authenticator.cookies(&headers).add(cookie);
                (cookies, Redirect::to(&app.path("/overview"))).into_response()
            }
            Err(failure) => refused(failure.status(), &app, "", &failure),
        };
    }
    let notice = query.repeat.then_some("The change was not made: sign in and repeat it.");
    form(&app, query.next.as_deref().unwrap_or_default(), notice).into_response()
}

/// Signs in with a password.
pub async fn sign_in(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    Form(login): Form<LoginForm>,
) -> Response {
    let next = login.next.unwrap_or_default();
    match app.authenticator.sign_in(&login.user, login.password, &headers, address).await {
        Ok(cookies) => {
            let target = if is_own_page(&app, &next) { next } else { app.path("/overview") };
            (cookies, Redirect::to(&target)).into_response()
        }
        Err(failure) => {
            let status = match failure {
                Failure::Invalid(_) => StatusCode::UNAUTHORIZED,
                _ => failure.status(),
            };
            refused(status, &app, &next, &failure)
        }
    }
}

fn refused(status: StatusCode, app: &App, next: &str, failure: &Failure) -> Response {
    let wait = match failure {
        Failure::TooMany(seconds) => Some([(RETRY_AFTER, seconds.to_string())]),
        _ => None,
    };
    (status, wait.map(AppendHeaders), form(app, next, Some(&failure.detail()))).into_response()
}

/// Ends the session.
pub async fn sign_out(State(app): State<App>, headers: HeaderMap) -> Response {
    let cookies = app.authenticator.sign_out(&headers);
    (cookies, Redirect::to(&app.path("/login"))).into_response()
}

/// Whether a path is one of the dashboard's pages, and not a URL of another host.
fn is_own_page(app: &App, path: &str) -> bool {
    let rest = path.strip_prefix(&*app.settings.base_path).and_then(|rest| rest.strip_prefix('/'));
    rest.is_some_and(|rest| {
        !rest.starts_with(['/', '\\'])
            && !path.contains('\\')
            && path.bytes().all(|byte| byte.is_ascii_graphic())
    })
}

fn form(app: &App, next: &str, notice: Option<&str>) -> Markup {
    let base = &*app.settings.base_path;
    html! {
        (DOCTYPE)
        html lang="en" {
            head { (layout::head("Sign in", base)) }
            body data-base=(base) {
                main.login id="content" {
                    h1 { "Ratelog" }
                    @if let Some(notice) = notice {
                        p.notice.failure role="alert" { (notice) }
                    }
                    @if app.authenticator.has_oidc() {
                        p { a.button href={ (base) "/login/oidc" } { "Sign in with your organisation" } }
                    }
                    @if app.authenticator.has_passwords() {
                        form method="post" action={ (base) "/login" } {
                            input type="hidden" name="next" value=(next);
                            label { "User" select name="user" autocomplete="username" {
                                option value="operator" { "operator" }
                                option value="viewer" { "viewer" }
                            } }
                            label { "Password" input type="password" name="password" autocomplete="current-password" required autofocus; }
                            button type="submit" { "Sign in" }
                        }
                    } @else if app.authenticator.has_link() {
                        p { "Open the link that " code { "ratelog-dashboard" } " has printed on its terminal. Each link works once; the next one is printed when it has been used." }
                    } @else if !app.authenticator.has_oidc() {
                        p { "Users sign in at a proxy: open the dashboard by its address." }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::is_own_page;
    use crate::{AppState, CommandLine};

    #[tokio::test]
    async fn only_own_pages_follow_a_login() {
        let app = |base: &str| {
            let arguments = ["ratelog-dashboard", "--base-path", base];
            AppState::new(CommandLine::parse_from(arguments).settings).unwrap()
        };
        for path in ["/overview", "/keys/a%2Fb?rules=x"] {
            assert!(is_own_page(&app(""), path), "{path}");
            assert!(is_own_page(&app("/limits"), &format!("/limits{path}")), "{path}");
            assert!(!is_own_page(&app("/limits"), path), "{path}");
        }
        for path in
            ["", "//example.com", "https://example.com", "/\\example.com", "/a\nb", "overview"]
        {
            assert!(!is_own_page(&app(""), path), "{path}");
        }
    }
}
