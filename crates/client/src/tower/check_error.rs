use std::fmt;

use crate::Error;

/// The error for a request that could not be checked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CheckError {
    /// The limiter returned an error.
    Limiter(Error),
    /// The request has no key; the text says what is missing.
    MissingKey(&'static str),
}

/// The response to a request that could not be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCheckError {
    /// Call the service. Its response gets no rate limit headers.
    Serve,
    /// Respond with 503 and problem details that do not say why; over gRPC, with `UNAVAILABLE`.
    Reject,
}

impl OnCheckError {
    /// The default: [`Serve`](Self::Serve) if the server is unavailable, else [`Reject`](Self::Reject).
    ///
    /// An unavailable server is no reason to reject requests. Every other error is a mistake that stays: a peer without an
    /// address, and with [`Fallback::Error`](crate::limiter::Fallback::Error) also a check that the server rejects, because
    /// of an unknown policy or a limit over its bound. If such requests were served, nobody would notice that they are not
    /// limited. With the other fallbacks, the fallback decides rejected checks.
    #[must_use]
    pub fn default_for(error: &CheckError) -> Self {
        if error.is_unavailable() { Self::Serve } else { Self::Reject }
    }
}

impl CheckError {
    /// Whether the server is unavailable and the limiter's fallback is
    /// [`Fallback::Error`](crate::limiter::Fallback::Error).
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Limiter(error) => error.is_unavailable(),
            Self::MissingKey(_) => false,
        }
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limiter(error) => write!(f, "the request cannot be checked: {error}"),
            Self::MissingKey(missing) => write!(f, "the request has no key: {missing}"),
        }
    }
}

impl std::error::Error for CheckError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Limiter(error) => Some(error),
            Self::MissingKey(_) => None,
        }
    }
}
