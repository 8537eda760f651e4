use std::net::IpAddr;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ratelog_caller::http::{TrustedProxies, client_text};

use crate::headers::Headers;
use crate::number::value_error;

/// What stands among the networks for peers that have no address.
const UNIX: &str = "unix";

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct Proxies {
    proxies: TrustedProxies,
    trusts_unix: bool,
}

#[pymethods]
impl Proxies {
    #[new]
    #[pyo3(signature = (networks, field = "x-forwarded-for"))]
    fn new(networks: Vec<String>, field: &str) -> PyResult<Self> {
        let trusts_unix = networks.iter().any(|network| network == UNIX);
        let networks = networks.into_iter().filter(|network| network != UNIX);
        let proxies = match field {
            "x-forwarded-for" => TrustedProxies::x_forwarded_for(networks),
            "forwarded" => TrustedProxies::forwarded(networks),
            _ => {
                let wrong =
                    format!("{field:?} is none of the fields x-forwarded-for and forwarded");
                return Err(PyValueError::new_err(wrong));
            }
        };
        let proxies = proxies.map_err(|error| value_error(&error))?;
        Ok(Self { proxies, trusts_unix })
    }

    fn client(&self, peer: Option<&str>, headers: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
        let mut wrong = None;
        // Most requests need none of them.
        let fields = std::iter::once_with(|| match headers.extract::<Headers>() {
            Ok(Headers(fields)) => fields,
            Err(error) => {
                wrong = Some(error);
                Vec::new()
            }
        })
        .flatten();
        let client = match peer.and_then(address) {
            Some(peer) => Some(self.proxies.client(peer, fields)),
            None if self.trusts_unix => self.proxies.told_client(fields),
            None => None,
        };
        wrong.map_or_else(|| Ok(client.map(client_text)), Err)
    }
}

/// The address of a peer, of which Python tells the interface too: `fe80::1%eth0`.
fn address(peer: &str) -> Option<IpAddr> {
    peer.split('%').next()?.parse().ok()
}
