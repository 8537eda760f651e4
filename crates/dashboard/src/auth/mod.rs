//! The users of requests, and their rights.

mod authenticator;
mod client_address;
mod identity;
mod login_limit;
mod one_time_link;
mod password;
mod session;
mod token;

pub use authenticator::{Authenticator, StartError};
pub use client_address::ClientAddress;
pub use identity::{Identity, Operator, Viewer};
pub use password::hash as hash_password;
