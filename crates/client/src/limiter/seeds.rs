//! The nodes of a cluster's URL.

use std::collections::BTreeSet;

use redis::{ConnectionAddr, ConnectionInfo};

pub(crate) struct Seeds {
    /// The first one. The settings of all nodes are the same.
    pub(crate) first: ConnectionInfo,
    /// The address of each, `host:port`.
    pub(crate) addresses: BTreeSet<String>,
}

impl Seeds {
    /// One node.
    pub(crate) fn new(first: ConnectionInfo) -> Self {
        let addresses = [first.addr().to_string()].into();
        Self { first, addresses }
    }

    /// A node with the settings of the URL.
    pub(crate) fn node_at(&self, address: &str) -> ConnectionInfo {
        // The address may be the path of a socket.
        if self.first.addr().to_string() == address {
            return self.first.clone();
        }
        let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
        // No server has port 0.
        let (host, port) = (host.to_owned(), port.parse().unwrap_or(0));
        let address = match self.first.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        self.first.clone().set_addr(address)
    }
}

/// The host of an address, `host:port`.
pub(crate) fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}
