//! Why an operation did not succeed.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use ratelog_client::Error;
use serde::Serialize;
use utoipa::ToSchema;

/// Why an operation did not succeed. The text is for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The request is wrong.
    Invalid(String),
    /// The caller is unknown.
    Unauthorized,
    /// The caller, or the dashboard's user on the servers, may not do this.
    Forbidden(String),
    /// There is no such thing.
    NotFound(String),
    /// The path has other methods.
    WrongMethod,
    /// The servers reject the operation.
    Rejected(String),
    /// There are too many requests; with the seconds to wait.
    TooMany(u64),
    /// No server that could do it can be reached. Nothing was done.
    Unavailable(String),
    /// The server did not answer. It may have done the operation.
    Unknown(String),
}

/// An error of the API, as RFC 9457 defines it.
#[derive(Serialize, ToSchema)]
pub struct ProblemDetails {
    /// The kind of the error, in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// The fault, and the way out.
    detail: String,
    /// `failed` if nothing was done, `unknown` if the servers may have done it.
    outcome: &'static str,
}

impl Failure {
    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::Rejected(_) => StatusCode::CONFLICT,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unknown(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The kind of the error, in words.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "Invalid request",
            Self::Unauthorized => "Not signed in",
            Self::Forbidden(_) => "Not permitted",
            Self::NotFound(_) => "Not found",
            Self::WrongMethod => "Method not allowed",
            Self::Rejected(_) => "Rejected by the server",
            Self::TooMany(_) => "Too many requests",
            Self::Unavailable(_) => "Server unavailable",
            Self::Unknown(_) => "Outcome unknown",
        }
    }

    /// The fault, and the way out.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Unauthorized => "Sign in, or send a valid bearer token.".to_owned(),
            Self::WrongMethod => {
                "This path has other methods: see /api/v1/openapi.json.".to_owned()
            }
            Self::TooMany(seconds) => format!("Try again in {seconds} s."),
            Self::Unknown(text) => {
                format!("{text}. The server may have done it: look before you try again.")
            }
            Self::Invalid(text)
            | Self::Forbidden(text)
            | Self::NotFound(text)
            | Self::Rejected(text)
            | Self::Unavailable(text) => text.clone(),
        }
    }

    /// Whether the servers may have done the operation.
    #[must_use]
    pub const fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }
}

impl Failure {
    /// The failure of a read: nothing can have been done.
    #[must_use]
    pub fn of_read(error: Error) -> Self {
        match Self::from(error) {
            Self::Unknown(text) => Self::Unavailable(text),
            failure => failure,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        if error.is_outcome_unknown() {
            return Self::Unknown(text);
        }
        match &error {
            Error::NoPolicy(_) => Self::NotFound(text),
            Error::Redis(error) if error.code() == Some("NOPERM") => Self::Forbidden(format!(
                "The dashboard's user on the server has not the right: {text}. redis.conf.example lists the rights \
                 of the users `operator` and `dashboard`; set --operator-url."
            )),
            _ if error.is_unknown_command() => Self::Rejected(
                "The server does not have the Ratelog module: load libratelog.so in its configuration.".to_owned(),
            ),
            _ if error.is_unavailable() => Self::Unavailable(text),
            _ => Self::Rejected(text),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = self.status();
        let details = ProblemDetails {
            title: self.title(),
            status: status.as_u16(),
            detail: self.detail(),
            outcome: if self.is_outcome_unknown() { "unknown" } else { "failed" },
        };
        let mut response = (status, Json(details)).into_response();
        let content_type = axum::http::HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        if let Self::TooMany(seconds) = self {
            response.headers_mut().insert("retry-after", seconds.into());
        }
        if self == Self::Unauthorized {
            let challenge = axum::http::HeaderValue::from_static("Bearer");
            response.headers_mut().insert("www-authenticate", challenge);
        }
        // Pages show it in another form.
        response.extensions_mut().insert(self);
        response
    }
}
