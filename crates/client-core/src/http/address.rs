use std::net::{IpAddr, Ipv6Addr};

/// What a client of this address is counted under: `192.0.2.1`, or `2001:db8:0:1::/64`.
///
/// An IPv6 network of 64 bits is one client, as it is one customer's at least and a client can take any address of it.
/// Addresses of IPv4 within IPv6 are of IPv4.
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
    fn an_address_is_one_client_however_it_is_written() {
        for (address, told) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:0:1::", "2001:db8:0:1::/64"),
            ("2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::/64"),
            ("2001:db8:0:2::1", "2001:db8:0:2::/64"),
        ] {
            assert_eq!(client_network(address.parse().unwrap()), told);
        }
    }
}
