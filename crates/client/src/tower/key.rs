//! Functions that return the key of a request.
//!
//! Use one of these, or a closure that takes the request's head:
//!
//! ```
//! use ratelog_client::tower::{RateLimitLayer, RouteLimits};
//! use ratelog_client::RateLimiter;
//!
//! /// The authentication layer adds this to the request's extensions.
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

/// The key of a request.
///
/// A closure can also return text or bytes, or an `Option` of them; `None` is [`Key::Exempt`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// Requests with the same bytes are counted together.
    Value(Vec<u8>),
    /// The request is exempt: it is not checked, and its response gets no rate limit headers.
    Exempt,
    /// The key cannot be determined, which is a [`CheckError`](super::CheckError); the text says what is missing.
    Missing(&'static str),
}

impl<T: Into<Vec<u8>>> From<Option<T>> for Key {
    fn from(key: Option<T>) -> Self {
        key.map_or(Self::Exempt, |key| Self::Value(key.into()))
    }
}

impl From<String> for Key {
    fn from(key: String) -> Self {
        Self::Value(key.into())
    }
}

impl From<&str> for Key {
    fn from(key: &str) -> Self {
        Self::Value(key.into())
    }
}

impl From<Vec<u8>> for Key {
    fn from(key: Vec<u8>) -> Self {
        Self::Value(key)
    }
}

/// The value of a header, as `x-api-key:VALUE`, or the key that `otherwise` returns if the request does not have it.
///
/// A client that makes up values gets a new limit with each of them. Reject unknown values in an outer layer, or also
/// limit by address.
///
/// The value is part of the key in the server, where `RL.TOP` shows it. For a secret, return a digest from a closure.
pub fn header<K: Into<Key>>(
    name: HeaderName,
    otherwise: impl Fn(&Parts) -> K,
) -> impl Fn(&Parts) -> Key {
    move |request| match request.headers.get(&name) {
        Some(value) => [name.as_str().as_bytes(), b":", value.as_bytes()].concat().into(),
        None => otherwise(request).into(),
    }
}

/// The path, as `path:/search`. All clients share the limit.
#[must_use]
pub fn path(request: &Parts) -> Key {
    format!("path:{}", request.uri.path()).into()
}

/// The address that `peer` returns, for services that clients reach without proxies.
///
/// For IPv4 as `ip:192.0.2.1`. For IPv6 it is the network of 64 bits, as `ip:2001:db8:0:1::/64`: a customer has at
/// least one, and a client can use any address in it. An IPv4 address mapped to IPv6 is treated as IPv4.
///
/// If `peer` returns `None`, the request is a [`CheckError`](super::CheckError). In axum, serve the router with
/// `into_make_service_with_connect_info` so that requests have the address.
pub fn peer(peer: impl Fn(&Parts) -> Option<IpAddr>) -> impl Fn(&Parts) -> Key {
    client(TrustedProxies::none(), peer)
}

/// The address of the client, as [`peer`], for services that clients reach through `proxies`.
pub fn client(
    proxies: TrustedProxies,
    peer: impl Fn(&Parts) -> Option<IpAddr>,
) -> impl Fn(&Parts) -> Key {
    move |request| match peer(request) {
        Some(peer) => {
            let address = proxies.client_address(peer, &request.headers);
            format!("ip:{}", client_network(address)).into()
        }
        None => Key::Missing("the peer's address is not known"),
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

    fn value(key: &str) -> Key {
        Key::Value(key.into())
    }

    #[test]
    fn a_peers_key_is_its_network_with_a_prefix() {
        let address: IpAddr = "2001:db8:0:1::5".parse().unwrap();
        let key = peer(move |_: &Parts| Some(address))(&request());
        assert_eq!(key, value("ip:2001:db8:0:1::/64"));
    }

    #[test]
    fn a_peer_without_an_address_is_not_exempt() {
        let missing = Key::Missing("the peer's address is not known");
        assert_eq!(peer(|_: &Parts| None)(&request()), missing);
    }

    #[test]
    fn a_request_without_the_header_gets_the_other_key() {
        let otherwise = |_: &Parts| Some("other");
        let api_key = HeaderName::from_static("x-api-key");
        assert_eq!(header(api_key, otherwise)(&request()), value("x-api-key:k1"));
        assert_eq!(header(http::header::COOKIE, otherwise)(&request()), value("other"));
        assert_eq!(path(&request()), value("path:/search"));
    }
}
