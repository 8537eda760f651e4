//! Whose word on a client's address is taken, and what it is counted under.

mod address;
mod forwarded;
mod proxies;

pub use address::client_text;
pub use proxies::{NetworkError, TrustedProxies};
