use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::Extensions;
use axum::http::request::Parts;

/// The address that a request comes from: that of the connection, which may be a proxy's.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// The address in the extensions of a request.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Self {
        let info: Option<&ConnectInfo<SocketAddr>> = extensions.get();
        // A client of IPv4 on a socket of IPv6 keeps its address.
        let address = info.map(|ConnectInfo(address)| address.ip().to_canonical());
        Self(address.unwrap_or(IpAddr::from([0, 0, 0, 0])))
    }
}

impl<S: Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}
