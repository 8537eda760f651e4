//! What a request is counted under.
//!
//! A key is told by a function of the request's head: one of these, or any closure.
//!
//! ```
//! use ratelog_client::tower::{RateLimitLayer, RouteLimits};
//! use ratelog_client::RateLimiter;
//!
//! /// Put into the request by the layer that checks who it is from.
//! #[derive(Clone)]
//! struct User {
//!     id: u64,
//!     is_admin: bool,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let limiter = RateLimiter::connect("memory://").await?;
//! let layer = RateLimitLayer::new(limiter, "100/minute".parse::<RouteLimits>()?, |request| {
//!     let user = request.extensions.get::<User>();
//!     user.filter(|user| !user.is_admin).map(|user| format!("user:{}", user.id))
//! });
//! # Ok(())
//! # }
//! ```

use std::net::IpAddr;

use http::HeaderName;
use http::request::Parts;
use ratelog_client_core::http::client_network;

use super::TrustedProxies;

/// What a request is counted under.
///
/// `None` of any text or bytes makes [`Key::Unlimited`], so that a closure can answer an `Option`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// Under these bytes.
    Counted(Vec<u8>),
    /// Under nothing: it is not limited, and its response tells of no limits.
    Unlimited,
    /// There is no telling, as what the text names is missing: a [`CheckError`](super::CheckError).
    Unknown(&'static str),
}

impl<T: Into<Vec<u8>>> From<Option<T>> for Key {
    fn from(key: Option<T>) -> Self {
        key.map_or(Self::Unlimited, |key| Self::Counted(key.into()))
    }
}

impl From<String> for Key {
    fn from(key: String) -> Self {
        Self::Counted(key.into())
    }
}

impl From<&str> for Key {
    fn from(key: &str) -> Self {
        Self::Counted(key.into())
    }
}

impl From<Vec<u8>> for Key {
    fn from(key: Vec<u8>) -> Self {
        Self::Counted(key)
    }
}

/// By the value of a header field, as `x-api-key:VALUE`; requests without it by `otherwise`.
///
/// Whoever can make up values gets a new limit with each. Let a layer further out refuse those that nobody was given, or
/// limit by address too.
///
/// The value becomes a key in the server as it is, where `RL.TOP` shows it: of what is secret, take a digest in a closure.
pub fn header<K: Into<Key>>(
    name: HeaderName,
    otherwise: impl Fn(&Parts) -> K,
) -> impl Fn(&Parts) -> Key {
    move |request| match request.headers.get(&name) {
        Some(value) => [name.as_str().as_bytes(), b":", value.as_bytes()].concat().into(),
        None => otherwise(request).into(),
    }
}

/// By the path, as `path:/search`: everybody's requests together.
#[must_use]
pub fn path(request: &Parts) -> Key {
    format!("path:{}", request.uri.path()).into()
}

/// By the address of the peer, whom `peer` tells: for services that clients reach without proxies.
///
/// As `ip:192.0.2.1`. An IPv6 network of 64 bits is one client, as it is one customer's at least and a client can take
/// any address of it: `ip:2001:db8:0:1::/64`. Addresses of IPv4 within IPv6 are of IPv4.
///
/// Where `peer` answers `None` the request is a [`CheckError`](super::CheckError): in axum, the server was made without
/// `into_make_service_with_connect_info`.
pub fn peer(peer: impl Fn(&Parts) -> Option<IpAddr>) -> impl Fn(&Parts) -> Key {
    client(TrustedProxies::none(), peer)
}

/// By the address of the client, as [`peer`], for services that are reached through `proxies`.
pub fn client(
    proxies: TrustedProxies,
    peer: impl Fn(&Parts) -> Option<IpAddr>,
) -> impl Fn(&Parts) -> Key {
    move |request| match peer(request) {
        Some(peer) => {
            let address = proxies.client(peer, &request.headers);
            format!("ip:{}", client_network(address)).into()
        }
        None => Key::Unknown("the peer's address is not known"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use http::request::Parts;
    use http::{HeaderName, Request};

    use super::{Key, header, path, peer};

    fn request() -> Parts {
        let request = Request::get("/search?q=1").header("x-api-key", "k1").body(());
        request.unwrap().into_parts().0
    }

    fn counted(key: &str) -> Key {
        Key::Counted(key.into())
    }

    #[test]
    fn a_peer_is_counted_under_its_network_and_apart_from_other_kinds_of_keys() {
        let address: IpAddr = "2001:db8:0:1::5".parse().unwrap();
        let key = peer(move |_: &Parts| Some(address))(&request());
        assert_eq!(key, counted("ip:2001:db8:0:1::/64"));
    }

    #[test]
    fn a_peer_that_nobody_knows_is_not_unlimited() {
        let missing = Key::Unknown("the peer's address is not known");
        assert_eq!(peer(|_: &Parts| None)(&request()), missing);
    }

    #[test]
    fn a_missing_header_leaves_the_key_to_the_other() {
        let otherwise = |_: &Parts| Some("other");
        let api_key = HeaderName::from_static("x-api-key");
        assert_eq!(header(api_key, otherwise)(&request()), counted("x-api-key:k1"));
        assert_eq!(header(http::header::COOKIE, otherwise)(&request()), counted("other"));
        assert_eq!(path(&request()), counted("path:/search"));
    }
}
