use std::net::IpAddr;

use ipnet::IpNet;

use super::ProxyHeader;
use super::network::{NetworkError, network};

/// Proxies trusted to report the client's address.
///
/// With `X-Forwarded-For` and `Forwarded`, each proxy appends the address that it received the request from. The header
/// is read from the right: the first address that is not a trusted proxy's is the client. Everything left of it is
/// ignored, because the client could have written it. If an entry is no address (`unknown`, a name, garbage), the client
/// is the address right of it.
///
/// The other headers ([`Self::with_header`]) hold the client's address itself. If there is none, or an invalid one, or
/// several lines, the peer is the client. Every trusted proxy has to overwrite such a header when a client sends it:
/// nothing in it shows who wrote it.
///
/// A peer that is not trusted is the client, regardless of its headers. Only the header that the proxies set is read. They pass other headers on unchanged, so a client could forge those.
///
/// ```
/// use ratelog_client_core::http::TrustedProxies;
///
/// let proxies = TrustedProxies::x_forwarded_for(["10.0.0.0/8", "2001:db8::7"])?;
/// let headers = [("x-forwarded-for", "198.51.100.9, 192.0.2.1, 10.0.0.2")];
/// assert_eq!(proxies.client_address("10.0.0.1".parse()?, headers).to_string(), "192.0.2.1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: ProxyHeader,
}

impl TrustedProxies {
    /// No proxies: the peer is the client.
    #[must_use]
    pub const fn none() -> Self {
        Self { networks: Vec::new(), header: ProxyHeader::XForwardedFor }
    }

    /// The proxies with these networks and addresses, which set `X-Forwarded-For`.
    ///
    /// # Errors
    /// [`NetworkError`] for a text that is neither a network, such as `10.0.0.0/8`, nor an address.
    pub fn x_forwarded_for<T: AsRef<str>>(
        networks: impl IntoIterator<Item = T>,
    ) -> Result<Self, NetworkError> {
        Self::with_header(networks, ProxyHeader::XForwardedFor)
    }

    /// The proxies with these networks and addresses, which set `Forwarded` (RFC 7239).
    ///
    /// # Errors
    /// As [`Self::x_forwarded_for`].
    pub fn forwarded<T: AsRef<str>>(
        networks: impl IntoIterator<Item = T>,
    ) -> Result<Self, NetworkError> {
        Self::with_header(networks, ProxyHeader::Forwarded)
    }

    /// The proxies with these networks and addresses, which set `header`.
    ///
    /// # Errors
    /// As [`Self::x_forwarded_for`].
    ///
    /// ```
    /// use ratelog_client_core::http::{ProxyHeader, TrustedProxies};
    ///
    /// let proxies = TrustedProxies::with_header(["10.0.0.0/8"], ProxyHeader::XRealIp)?;
    /// let headers = [("x-real-ip", "192.0.2.1")];
    /// assert_eq!(proxies.client_address("10.0.0.1".parse()?, headers).to_string(), "192.0.2.1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_header<T: AsRef<str>>(
        networks: impl IntoIterator<Item = T>,
        header: ProxyHeader,
    ) -> Result<Self, NetworkError> {
        let networks = networks.into_iter().map(|text| network(text.as_ref()));
        Ok(Self { networks: networks.collect::<Result<_, _>>()?, header })
    }

    /// The client's address in a request from `peer` with these headers.
    ///
    /// IPv4 addresses mapped to IPv6 are treated as IPv4. The case of names does not matter. You can pass a
    /// `&HeaderMap` of the `http` crate.
    #[must_use]
    pub fn client_address<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        peer: IpAddr,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        self.forwarded_address(headers).unwrap_or(peer)
    }

    /// The client's address that a trusted peer reports in these headers; `None` if it reports none.
    ///
    /// For a peer without an address of its own, such as one on a Unix socket.
    #[must_use]
    pub fn forwarded_address<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Option<IpAddr> {
        let is_proxy_header =
            |name: &N| name.as_ref().eq_ignore_ascii_case(self.header.name().as_bytes());
        let lines = headers.into_iter().filter(|(name, _)| is_proxy_header(name));
        let lines: Vec<V> = lines.map(|(_, line)| line).collect();
        if !self.header.is_list() {
            let [line] = lines.as_slice() else { return None };
            return self.header.address(line.as_ref()).map(|address| address.to_canonical());
        }
        // A parser of the whole header would let the client's part change how the proxies' part is read.
        let entries =
            lines.iter().rev().flat_map(|line| line.as_ref().rsplit(|byte| *byte == b','));
        let mut client = None;
        for entry in entries {
            let Some(address) = self.header.address(entry) else { break };
            let address = address.to_canonical();
            client = Some(address);
            if !self.trusts(address) {
                break;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::TrustedProxies;
    use crate::http::ProxyHeader;

    const NETWORKS: [&str; 3] = ["10.0.0.0/8", "2001:db8::7", "::ffff:192.0.2.0/120"];

    fn client(proxies: &TrustedProxies, name: &str, peer: &str, lines: &[&str]) -> String {
        let headers = lines.iter().map(|line| (name, line));
        proxies.client_address(peer.parse().unwrap(), headers).to_string()
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right() {
        let proxies = TrustedProxies::x_forwarded_for(NETWORKS).unwrap();
        for (peer, lines, expected) in [
            // Only a trusted peer's headers are read.
            ("198.51.100.1", ["203.0.113.1", ""].as_slice(), "198.51.100.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1"], "203.0.113.1"),
            ("10.0.0.1", &["198.51.100.7, 203.0.113.1,10.0.0.2"], "203.0.113.1"),
            // Several lines are one list.
            ("10.0.0.1", &["203.0.113.1", "10.0.0.3, 10.0.0.2"], "203.0.113.1"),
            ("10.0.0.1", &["203.0.113.1", "203.0.113.2"], "203.0.113.2"),
            // All are proxies: the leftmost is the client.
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // An entry that is no address ends the search.
            ("10.0.0.1", &["203.0.113.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["203.0.113.1, , 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["203.0.113.1, 10.0.0.2:x"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1, 010.0.0.2"], "10.0.0.1"),
            // Some proxies add a port or brackets.
            ("10.0.0.1", &["203.0.113.1:4711"], "203.0.113.1"),
            ("10.0.0.1", &["[2001:db8::1]:4711, [2001:db8::7]"], "2001:db8::1"),
            ("::ffff:10.0.0.1", &["2001:db8::1, 2001:db8::7"], "2001:db8::1"),
            ("10.0.0.1", &["203.0.113.1, ::ffff:10.0.0.2, 192.0.2.9"], "203.0.113.1"),
        ] {
            assert_eq!(
                client(&proxies, "X-Forwarded-For", peer, lines),
                expected,
                "{peer} {lines:?}"
            );
        }
    }

    #[test]
    fn a_header_of_one_address_is_the_client() {
        for header in [
            ProxyHeader::CfConnectingIp,
            ProxyHeader::XRealIp,
            ProxyHeader::TrueClientIp,
            ProxyHeader::FlyClientIp,
        ] {
            let proxies = TrustedProxies::with_header(NETWORKS, header).unwrap();
            for (peer, lines, expected) in [
                ("198.51.100.1", ["203.0.113.1"].as_slice(), "198.51.100.1"),
                ("10.0.0.1", &[], "10.0.0.1"),
                ("10.0.0.1", &["203.0.113.1"], "203.0.113.1"),
                ("10.0.0.1", &[" 203.0.113.1\t"], "203.0.113.1"),
                ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
                ("10.0.0.1", &["::ffff:203.0.113.1"], "203.0.113.1"),
                // The client may be a trusted proxy itself.
                ("10.0.0.1", &["10.0.0.2"], "10.0.0.2"),
                // Neither several lines nor a list says which of them the proxy wrote.
                ("10.0.0.1", &["203.0.113.1", "203.0.113.2"], "10.0.0.1"),
                ("10.0.0.1", &["203.0.113.1", ""], "10.0.0.1"),
                ("10.0.0.1", &["203.0.113.1, 203.0.113.2"], "10.0.0.1"),
                ("10.0.0.1", &["unknown"], "10.0.0.1"),
                ("10.0.0.1", &[""], "10.0.0.1"),
                ("10.0.0.1", &["203.0.113.256"], "10.0.0.1"),
            ] {
                let name = header.to_string().to_uppercase();
                assert_eq!(client(&proxies, &name, peer, lines), expected, "{name} {lines:?}");
            }
            assert_eq!(
                client(&proxies, "x-forwarded-for", "10.0.0.1", &["203.0.113.1"]),
                "10.0.0.1"
            );
            let unix = proxies.forwarded_address([(header.to_string(), "203.0.113.1")]);
            assert_eq!(unix, "203.0.113.1".parse().ok());
        }
    }

    #[test]
    fn a_header_that_the_proxies_do_not_set_is_not_read() {
        let lines = ["for=203.0.113.1"];
        let proxies = TrustedProxies::x_forwarded_for(NETWORKS).unwrap();
        assert_eq!(client(&proxies, "forwarded", "10.0.0.1", &lines), "10.0.0.1");
        let proxies = TrustedProxies::forwarded(NETWORKS).unwrap();
        assert_eq!(client(&proxies, "x-forwarded-for", "10.0.0.1", &["203.0.113.1"]), "10.0.0.1");
    }

    #[test]
    fn bytes_that_are_not_utf_8_hide_nothing_right_of_them() {
        let proxies = TrustedProxies::x_forwarded_for(NETWORKS).unwrap();
        let headers = [("x-forwarded-for", b"\xff, 203.0.113.1, 10.0.0.2")];
        let client = proxies.client_address("10.0.0.1".parse().unwrap(), headers);
        assert_eq!(client.to_string(), "203.0.113.1");
    }

    #[test]
    fn a_peer_without_an_address_is_not_the_client() {
        let proxies = TrustedProxies::x_forwarded_for(NETWORKS).unwrap();
        for (line, expected) in [
            (Some("198.51.100.9, 203.0.113.1"), Some("203.0.113.1")),
            (Some("203.0.113.1, 10.0.0.2"), Some("203.0.113.1")),
            (Some("unknown"), None),
            (None, None),
        ] {
            let headers = line.map(|line| ("x-forwarded-for", line));
            let client = proxies.forwarded_address(headers).map(|client| client.to_string());
            assert_eq!(client.as_deref(), expected, "{line:?}");
        }
    }

    fn entry() -> impl Strategy<Value = (String, Option<IpAddr>)> {
        let address = prop_oneof![
            4 => prop::sample::select(vec!["10.0.0.2", "10.9.9.9", "2001:db8::7", "192.0.2.77"]),
            2 => prop::sample::select(vec!["203.0.113.1", "2001:db8::8", "192.0.3.1"]),
        ];
        let address = address.prop_map(|text| (text.to_owned(), text.parse().ok()));
        prop_oneof![9 => address, 1 => "[a-z ]{0,4}".prop_map(|text| (text, None))]
    }

    proptest! {
        /// The client is the leftmost address with only trusted proxies right of it.
        #[test]
        fn the_client_is_at_the_end_of_an_unbroken_chain_of_proxies(
            lines in prop::collection::vec(prop::collection::vec(entry(), 1..4), 0..4),
            (_, peer) in entry(),
        ) {
            let peer = peer.unwrap_or_else(|| "203.0.113.9".parse().unwrap());
            let proxies = TrustedProxies::x_forwarded_for(NETWORKS).unwrap();
            let text = |line: &Vec<(String, _)>| {
                line.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(",")
            };
            let texts: Vec<String> = lines.iter().map(text).collect();

            let entries = lines.iter().flatten().map(|(_, address)| *address);
            let chain: Vec<Option<IpAddr>> = entries.chain([Some(peer)]).collect();
            let trusted = ["10.0.0.2", "10.9.9.9", "2001:db8::7", "192.0.2.77"];
            let is_proxy = |entry: &Option<IpAddr>| {
                entry.is_some_and(|address| trusted.contains(&address.to_string().as_str()))
            };
            let leftmost = (0..chain.len())
                .find(|&i| chain[i].is_some() && chain[i + 1..].iter().all(is_proxy));

            let headers = texts.iter().map(|line| ("x-forwarded-for", line));
            prop_assert_eq!(Some(proxies.client_address(peer, headers)), chain[leftmost.unwrap()]);
        }
    }
}
