//! The addresses of clients behind proxies.

use std::net::IpAddr;

use axum::http::HeaderMap;
use ipnet::IpNet;

const HEADER: &str = "x-forwarded-for";

/// The address of a client whose request comes from `peer`. Each proxy adds the address that it got the request from at the
/// end of the header, so the last one that is not a proxy's is the client's: those before it are what the client says.
pub fn client(headers: &HeaderMap, peer: IpAddr, proxies: &[IpNet]) -> IpAddr {
    let is_proxy = |address: &IpAddr| proxies.iter().any(|network| network.contains(address));
    let mut client = peer;
    let values: Vec<_> = headers.get_all(HEADER).iter().collect();
    let mut hops =
        values.into_iter().rev().flat_map(|value| value.as_bytes().rsplit(|b| *b == b','));
    while is_proxy(&client) {
        let hop = hops.next().and_then(|hop| std::str::from_utf8(hop).ok()?.trim().parse().ok());
        let Some(hop) = hop else { break };
        client = IpAddr::to_canonical(&hop);
    }
    client
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use axum::http::{HeaderMap, HeaderName};

    use super::{HEADER, client};

    #[test]
    fn only_what_proxies_say_is_believed() {
        let proxies = ["192.0.2.0/24", "2001:db8::/32"].map(|network| network.parse().unwrap());
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (peer, values, expected) in [
            ("192.0.2.1", &["198.51.100.7"][..], "198.51.100.7"),
            ("2001:db8::1", &["::ffff:198.51.100.7"], "198.51.100.7"),
            ("192.0.2.1", &["127.0.0.1, 198.51.100.7"], "198.51.100.7"),
            ("192.0.2.1", &["127.0.0.1", "198.51.100.7,192.0.2.2"], "198.51.100.7"),
            ("192.0.2.1", &["127.0.0.1", "198.51.100.7", " 192.0.2.2 "], "198.51.100.7"),
            ("198.51.100.9", &["127.0.0.1"], "198.51.100.9"),
            ("192.0.2.1", &["127.0.0.1, x, 192.0.2.2"], "192.0.2.2"),
            ("192.0.2.1", &["192.0.2.3"], "192.0.2.3"),
            ("192.0.2.1", &[""], "192.0.2.1"),
            ("192.0.2.1", &[], "192.0.2.1"),
        ] {
            let name = HeaderName::from_static(HEADER);
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(&name, value.parse().unwrap());
            }
            assert_eq!(client(&headers, ip(peer), &proxies), ip(expected), "{peer} {values:?}");
        }
    }
}
