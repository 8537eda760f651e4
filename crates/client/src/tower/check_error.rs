use std::fmt;

use crate::Error;

/// Why a request could not be checked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CheckError {
    /// The limiter has no answer.
    Check(Error),
    /// There is no telling what the request is counted under; the text says what is missing.
    Key(&'static str),
}

/// What becomes of a request that could not be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// The service answers it, and its response has no `RateLimit` fields.
    Serve,
    /// It is answered with 503 and problem details that do not tell the reason; by gRPC, as `UNAVAILABLE`.
    Refuse,
}

impl OnFailure {
    /// What the layer does unless told otherwise.
    ///
    /// A server that is away is no reason to refuse anybody; the limiter's fallback says what is. Everything else is a
    /// mistake that would stay: no such policy, a limit over the server's bound, a key of another type, a peer whose
    /// address nobody passes on. If its requests were served, nobody would notice that nothing is limited.
    #[must_use]
    pub fn default_for(failure: &CheckError) -> Self {
        if failure.is_unavailable() { Self::Serve } else { Self::Refuse }
    }
}

impl CheckError {
    /// Whether the server is away, and the limiter's fallback has no answer either: because it is
    /// [`Fallback::Error`](crate::limiter::Fallback::Error), or because the policy has not been learnt yet.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Check(error) => error.is_unavailable(),
            Self::Key(_) => false,
        }
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Check(error) => write!(f, "the request cannot be checked: {error}"),
            Self::Key(missing) => write!(f, "the request has no key: {missing}"),
        }
    }
}

impl std::error::Error for CheckError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Check(error) => Some(error),
            Self::Key(_) => None,
        }
    }
}
