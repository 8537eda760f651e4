//! The users of requests, and their rights.

mod authenticator;
mod client_address;
mod identity;
mod login_limit;
#[cfg(feature = "oidc")]
mod oidc;
mod one_time_link;
mod password;
mod secrets;
mod session;
mod start_error;
mod token;

pub use authenticator::Authenticator;
pub use client_address::ClientAddress;
pub use identity::{Identity, Operator, Viewer};
pub use password::hash as hash_password;
pub use start_error::StartError;
