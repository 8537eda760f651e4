//! Who makes a request, and what they may do.

mod authenticator;
mod identity;
mod login_limit;
mod one_time_link;
mod password;
mod session;
mod token;

pub use authenticator::{Authenticator, StartError};
pub use identity::{Identity, Operator, Viewer};
pub use password::hash as hash_password;
