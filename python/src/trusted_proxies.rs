use std::net::IpAddr;

use pyo3::prelude::*;
use ratelog_client_core::http;

use crate::headers::Headers;
use crate::number::value_error;

/// The entry that trusts peers without an address: Unix sockets.
const UNIX: &str = "unix";

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct TrustedProxies {
    proxies: http::TrustedProxies,
    trusts_unix: bool,
}

#[pymethods]
impl TrustedProxies {
    #[new]
    #[pyo3(signature = (networks, header = "x-forwarded-for"))]
    fn new(networks: Vec<String>, header: &str) -> PyResult<Self> {
        let trusts_unix = networks.iter().any(|network| network == UNIX);
        let networks = networks.into_iter().filter(|network| network != UNIX);
        let header: http::ProxyHeader = header.parse().map_err(|error| value_error(&error))?;
        let proxies = http::TrustedProxies::with_header(networks, header);
        let proxies = proxies.map_err(|error| value_error(&error))?;
        Ok(Self { proxies, trusts_unix })
    }

    fn client_address(
        &self,
        peer: Option<&str>,
        headers: &Bound<'_, PyAny>,
    ) -> PyResult<Option<String>> {
        let mut invalid = None;
        // Most requests come from untrusted peers and never need their headers.
        let fields = std::iter::once_with(|| match headers.extract::<Headers>() {
            Ok(Headers(fields)) => fields,
            Err(error) => {
                invalid = Some(error);
                Vec::new()
            }
        })
        .flatten();
        let client = match peer.and_then(parse_address) {
            Some(peer) => Some(self.proxies.client_address(peer, fields)),
            None if self.trusts_unix => self.proxies.forwarded_address(fields),
            None => None,
        };
        invalid.map_or_else(|| Ok(client.map(http::client_network)), Err)
    }
}

/// Parses a peer's address; Python appends the interface, as in `fe80::1%eth0`.
fn parse_address(peer: &str) -> Option<IpAddr> {
    peer.split('%').next()?.parse().ok()
}
