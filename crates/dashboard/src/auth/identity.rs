use std::fmt;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};

use crate::operations::failure::Failure;

/// The rights of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    Viewer,
    /// Look and make changes.
    Operator,
}

/// How a user signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// With a password.
    Password,
    /// With the link on the terminal.
    Link,
    /// With a bearer token.
    Token,
    /// At a trusted proxy.
    Proxy,
    /// At an OIDC provider.
    #[cfg(feature = "oidc")]
    Oidc,
}

/// The user of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user's name.
    pub user: String,
    /// The user's role.
    pub role: Role,
    /// How the user signed in.
    pub method: Method,
    /// The address of the request.
    pub address: IpAddr,
}

/// The identity of a request that reads.
#[derive(Clone, Debug)]
pub struct Viewer(pub Identity);

/// The identity of a request that makes changes. Others get 403.
#[derive(Clone, Debug)]
pub struct Operator(pub Identity);

impl Identity {
    /// Whether the user may make changes.
    #[must_use]
    pub fn is_operator(&self) -> bool {
        self.role == Role::Operator
    }
}

impl<S: Sync> FromRequestParts<S> for Viewer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        parts.extensions.get().cloned().map(Self).ok_or(Failure::Unauthorized)
    }
}

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Viewer(identity) = Viewer::from_request_parts(parts, state).await?;
        if identity.is_operator() {
            return Ok(Self(identity));
        }
        // Not in the audit: the one who makes no change writes nothing to the servers, and pushes no entry out.
        let Identity { user, address, .. } = &identity;
        let (method, path) = (&parts.method, parts.uri.path());
        tracing::warn!(user, %address, %method, path, "a change by a viewer is refused");
        Err(Failure::Forbidden(format!(
            "{} is a viewer: sign in as an operator to make changes.",
            identity.user
        )))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password => "password",
            Self::Link => "link",
            Self::Token => "token",
            Self::Proxy => "proxy",
            #[cfg(feature = "oidc")]
            Self::Oidc => "oidc",
        })
    }
}
