use std::net::{IpAddr, Ipv6Addr};

/// The network that identifies a client, as text: `192.0.2.1`, or `2001:db8:0:1::/64`.
///
/// For IPv6 it is the network of 64 bits: a customer has at least one, and a client can use any address in it. An IPv4
/// address mapped to IPv6 is treated as IPv4.
///
/// ```
/// use ratelog_client_core::http::client_network;
///
/// assert_eq!(client_network("::ffff:192.0.2.1".parse()?), "192.0.2.1");
/// assert_eq!(client_network("2001:db8:0:1::5".parse()?), "2001:db8:0:1::/64");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn client_network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << 64);
            format!("{}/64", Ipv6Addr::from_bits(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::client_network;

    #[test]
    fn an_address_belongs_to_one_network_however_it_is_written() {
        for (address, network) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:0:1::", "2001:db8:0:1::/64"),
            ("2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::/64"),
            ("2001:db8:0:2::1", "2001:db8:0:2::/64"),
        ] {
            assert_eq!(client_network(address.parse().unwrap()), network);
        }
    }
}
