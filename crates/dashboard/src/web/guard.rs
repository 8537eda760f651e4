//! Checks and headers of all requests.

use axum::extract::{OriginalUri, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERER, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::app::App;
use crate::auth::ClientAddress;
use crate::operations::failure::Failure;

/// No inline code, nothing from elsewhere, and no frame around the pages.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The hosts that browsers trust without TLS.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Answers only requests for the dashboard's own hosts: a page elsewhere cannot point its name at this address.
pub async fn check_host(State(app): State<App>, request: Request, next: Next) -> Response {
    let host = host(request.uri(), request.headers());
    let is_allowed = host.is_some_and(|host| {
        let host = host.to_ascii_lowercase();
        app.settings.allowed_hosts().contains(&host)
    });
    if is_allowed {
        return next.run(request).await;
    }
    let text = format!(
        "The dashboard does not serve the host '{}'. Start it with --allowed-host and this name if browsers should reach it there.\n",
        host.unwrap_or_default()
            .chars()
            .filter(char::is_ascii_graphic)
            .take(100)
            .collect::<String>()
    );
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

/// Adds the headers that keep browsers from running and sharing what is not the dashboard's.
pub async fn add_headers(State(app): State<App>, request: Request, next: Next) -> Response {
    // Browsers complain about this header over plain HTTP from another machine.
    let host = host(request.uri(), request.headers());
    let is_isolated = app.settings.https || host.is_some_and(|host| LOOPBACK.contains(&host));
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // With `no-referrer`, browsers send `Origin: null` with the dashboard's own forms.
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_isolated {
        let name = HeaderName::from_static("cross-origin-opener-policy");
        headers.insert(name, HeaderValue::from_static("same-origin"));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Goes on with a change whose client has gone, so that it is made and recorded, or neither.
pub async fn finish_changes(State(app): State<App>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let answered = app.changes.spawn(next.run(request)).await;
    answered.unwrap_or_else(|error| {
        tracing::error!(%error, "a change was not finished");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    })
}

/// Finds out who makes a request for a page. Others are sent to the login page.
pub async fn sign_in_for_pages(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Response {
    let address = ClientAddress::of(request.extensions()).0;
    if let Some(identity) = app.authenticator.identify(request.headers(), address) {
        request.extensions_mut().insert(identity);
        return next.run(request).await;
    }
    let original = request.extensions().get::<OriginalUri>();
    let uri = original.map_or(request.uri(), |original| &original.0);
    let url = if request.method().is_safe() {
        login_url(&app, uri)
    } else {
        // The page with the form, since the form's own path may have no page.
        let referer = request.headers().get(REFERER).and_then(|referer| referer.to_str().ok());
        let page = referer.and_then(|referer| referer.parse().ok());
        format!("{}&repeat=true", login_url(&app, &page.unwrap_or_default()))
    };
    Redirect::to(&url).into_response()
}

/// Finds out who makes a request for data. Others get 401.
pub async fn sign_in_for_data(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Response {
    let address = ClientAddress::of(request.extensions()).0;
    match app.authenticator.identify(request.headers(), address) {
        None => Failure::Unauthorized.into_response(),
        Some(identity) => {
            request.extensions_mut().insert(identity);
            next.run(request).await
        }
    }
}

/// The URL of the login page, which then leads to another page.
fn login_url(app: &App, next: &Uri) -> String {
    let next = next.path_and_query().map_or("", PathAndQuery::as_str);
    let next = utf8_percent_encode(next, NON_ALPHANUMERIC);
    app.path(&format!("/login?next={next}"))
}

/// The host of a request, without its port.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let authority = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => headers.get(HOST)?.to_str().ok()?,
    };
    let after_host = authority.rfind(']').map_or(0, |end| end + 1);
    match authority.get(after_host..)?.find(':') {
        Some(colon) => authority.get(..after_host + colon),
        None => Some(authority),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::HOST;
    use axum::http::{HeaderMap, Uri};

    use super::host;

    #[test]
    fn the_host_has_no_port() {
        for (value, expected) in [
            ("example.com", "example.com"),
            ("example.com:8080", "example.com"),
            ("192.0.2.1:80", "192.0.2.1"),
            ("[::1]:8080", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            let headers = HeaderMap::from_iter([(HOST, value.parse().unwrap())]);
            assert_eq!(host(&Uri::from_static("/"), &headers), Some(expected));
        }
        assert_eq!(host(&Uri::from_static("/"), &HeaderMap::new()), None);
    }
}
