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

/// A value that is the key of a request.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no key of a request",
    note = "return text or bytes (`String`, `&'static str`, `Vec<u8>`), an `Option` of them, or a `Key`",
    note = "for a number, return text with a prefix, such as `format!(\"user:{{id}}\")`"
)]
pub trait IntoKey {
    /// Converts the value.
    fn into_key(self) -> Key;
}

macro_rules! into_key {
    ($($type:ty),*) => {$(
        impl IntoKey for $type {
            fn into_key(self) -> Key {
                self.into()
            }
        }
    )*};
}

into_key!(Key, String, &str, Vec<u8>);

impl<T: Into<Vec<u8>>> IntoKey for Option<T> {
    fn into_key(self) -> Key {
        self.into()
    }
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
pub fn header<K: IntoKey>(
    name: HeaderName,
    otherwise: impl Fn(&Parts) -> K,
) -> impl Fn(&Parts) -> Key {
    move |request| match request.headers.get(&name) {
        Some(value) => [name.as_str().as_bytes(), b":", value.as_bytes()].concat().into(),
        None => otherwise(request).into_key(),
    }
}

/// The path, as `path:/search`. All clients share the limit.
///
/// Escapes that are not needed make no difference: `/%73earch` is `/search` (RFC 3986, section 6.2.2.2). A client that makes up paths
/// gets a new limit with each of them; to count by route, use the path that the router matched.
#[must_use]
pub fn path(request: &Parts) -> Key {
    [b"path:".as_slice(), &normalized(request.uri.path())].concat().into()
}

/// The route that axum matched, as `route:/users/{id}`, in all nested routers. All clients share the limit. Requests that
/// no route matches share `route:*`.
#[cfg(feature = "axum")]
#[must_use]
pub fn matched_path(request: &Parts) -> Key {
    let path = request.extensions.get::<axum::extract::MatchedPath>();
    format!("route:{}", path.map_or("*", axum::extract::MatchedPath::as_str)).into()
}

/// The route that axum matched, followed by another key: each client has a limit for each route.
#[cfg(feature = "axum")]
pub fn per_matched_path<K: IntoKey>(key: impl Fn(&Parts) -> K) -> impl Fn(&Parts) -> Key {
    move |request| match (matched_path(request), key(request).into_key()) {
        (Key::Value(route), Key::Value(key)) => [&*route, b" ", &*key].concat().into(),
        (_, other) => other,
    }
}

/// The peer's address in axum, for [`peer`] and [`client`]. Serve the router with
/// `into_make_service_with_connect_info::<SocketAddr>()`.
#[cfg(feature = "axum")]
#[must_use]
pub fn connect_info(request: &Parts) -> Option<IpAddr> {
    use axum::extract::ConnectInfo;
    use std::net::SocketAddr;

    request.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip())
}

/// A path in which only the bytes are escaped that have to be, in upper case.
fn normalized(path: &str) -> Vec<u8> {
    let mut normalized = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%').then(|| after.split_at_checked(2)).flatten();
        let byte = escaped.and_then(|(digits, after)| {
            let digits = std::str::from_utf8(digits).ok()?;
            let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            is_hex.then(|| u8::from_str_radix(digits, 16).ok().map(|byte| (byte, after)))?
        });
        match byte {
            Some((byte, after)) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                normalized.push(byte);
                rest = after;
            }
            Some((byte, after)) => {
                normalized.extend(format!("%{byte:02X}").bytes());
                rest = after;
            }
            None => {
                normalized.push(first);
                rest = after;
            }
        }
    }
    normalized
}

/// The address that `peer` returns, for services that clients reach without proxies.
///
/// For IPv4 as `ip:192.0.2.1`. For IPv6 it is the network of 64 bits, as `ip:2001:db8:0:1::/64`: a customer has at
/// least one, and a client can use any address in it. An IPv4 address mapped to IPv6 is treated as IPv4.
///
/// If `peer` returns `None`, the request is a [`CheckError`](super::CheckError), which is logged once. In axum, use
/// `connect_info` (feature `axum`), and serve the router with `into_make_service_with_connect_info::<SocketAddr>()` so
/// that requests have the address.
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
        None => Key::Missing(NO_ADDRESS),
    }
}

const NO_ADDRESS: &str = "the peer's address is not known; in axum, serve the router with into_make_service_with_connect_info::<SocketAddr>()";

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use http::request::Parts;
    use http::{HeaderName, Request};

    use super::{Key, NO_ADDRESS, header, path, peer};

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
        let missing = Key::Missing(NO_ADDRESS);
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

    #[test]
    fn equal_paths_are_one_key_and_different_ones_are_not() {
        let key = |path_and_query: &str| {
            path(&Request::get(path_and_query).body(()).unwrap().into_parts().0)
        };
        for (escaped, plain) in [
            ("/users/%37", "/users/7"),
            ("/users/%2d%5F%7e", "/users/-_~"),
            ("/a%2fb", "/a%2Fb"),
            ("/%e4%bd%a0", "/%E4%BD%A0"),
        ] {
            assert_eq!(key(escaped), value(&format!("path:{plain}")));
            assert_eq!(key(plain), value(&format!("path:{plain}")));
        }
        for odd in ["/%", "/%4", "/%zz", "/%+1"] {
            assert_eq!(key(odd), value(&format!("path:{odd}")));
        }
        assert_ne!(key("/a%2Fb"), key("/a/b"));
    }
}
