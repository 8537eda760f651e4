use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::forwarded::Field;

/// The proxies whose word on a request's client is taken.
///
/// Each proxy adds the address it got the request from at the right of one field, so the field is read from the right:
/// as long as an address is a trusted proxy's, the entry left of it is believed. The first that is not is the client;
/// what is left of it anybody can write. Where an entry is no address (`unknown`, a name, garbage) the client is the
/// last that was believed. A peer that is not trusted is the client, whatever it sends.
///
/// One field only is read, the one that the proxies set: a field that they pass on untouched is the client's own words.
///
/// ```
/// use ratelog_client_core::http::TrustedProxies;
///
/// let proxies = TrustedProxies::x_forwarded_for(["10.0.0.0/8", "2001:db8::7"])?;
/// let headers = [("x-forwarded-for", "198.51.100.9, 192.0.2.1, 10.0.0.2")];
/// assert_eq!(proxies.client("10.0.0.1".parse()?, headers).to_string(), "192.0.2.1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    field: Field,
}

impl TrustedProxies {
    /// None: the peer is the client.
    #[must_use]
    pub const fn none() -> Self {
        Self { networks: Vec::new(), field: Field::XForwardedFor }
    }

    /// The proxies of these networks and addresses, which set `X-Forwarded-For`.
    ///
    /// # Errors
    /// [`NetworkError`] for a text that is neither a network, such as `10.0.0.0/8`, nor an address.
    pub fn x_forwarded_for<T: AsRef<str>>(
        networks: impl IntoIterator<Item = T>,
    ) -> Result<Self, NetworkError> {
        Self::new(networks, Field::XForwardedFor)
    }

    /// The proxies of these networks and addresses, which set `Forwarded` (RFC 7239).
    ///
    /// # Errors
    /// As [`Self::x_forwarded_for`].
    pub fn forwarded<T: AsRef<str>>(
        networks: impl IntoIterator<Item = T>,
    ) -> Result<Self, NetworkError> {
        Self::new(networks, Field::Forwarded)
    }

    fn new<T: AsRef<str>>(
        networks: impl IntoIterator<Item = T>,
        field: Field,
    ) -> Result<Self, NetworkError> {
        let networks = networks.into_iter().map(|text| network(text.as_ref()));
        Ok(Self { networks: networks.collect::<Result<_, _>>()?, field })
    }

    /// The address of the client of a request that came from `peer` with these header fields.
    ///
    /// Addresses of IPv4 within IPv6 are taken, and answered, as of IPv4. Names are compared without regard to case. A
    /// `HeaderMap` of the crate `http` can be passed as it is.
    #[must_use]
    pub fn client<N: AsRef<[u8]>, V: AsRef<[u8]>>(
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

    /// The same for a peer that is trusted and has no address, as that of a Unix socket; `None` if nobody tells one.
    #[must_use]
    pub fn forwarded_address<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Option<IpAddr> {
        let is_field = |name: &N| name.as_ref().eq_ignore_ascii_case(self.field.name().as_bytes());
        let lines = headers.into_iter().filter(|(name, _)| is_field(name));
        let lines: Vec<V> = lines.map(|(_, line)| line).collect();
        // Not by a parser of whole fields: what a client writes must not change how the rest is read.
        let entries =
            lines.iter().rev().flat_map(|line| line.as_ref().rsplit(|byte| *byte == b','));
        let mut client = None;
        for entry in entries {
            let Some(address) = self.field.address(entry) else { break };
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

fn network(text: &str) -> Result<IpNet, NetworkError> {
    let error = || NetworkError(text.to_owned());
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse().map_err(|_| error())?,
    };
    match (network.addr().to_canonical(), network.prefix_len().checked_sub(96)) {
        (IpAddr::V4(address), Some(length)) if matches!(network, IpNet::V6(_)) => {
            Ipv4Net::new(address, length).map(IpNet::V4).map_err(|_| error())
        }
        _ => Ok(network),
    }
}

/// A text that is neither a network nor an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkError(String);

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text) = self;
        write!(f, "{text:?} is neither a network such as 10.0.0.0/8 nor an address")
    }
}

impl std::error::Error for NetworkError {}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::TrustedProxies;

    const NETWORKS: [&str; 3] = ["10.0.0.0/8", "2001:db8::7", "::ffff:192.0.2.0/120"];

    fn client(proxies: &TrustedProxies, name: &str, peer: &str, lines: &[&str]) -> String {
        let headers = lines.iter().map(|line| (name, line));
        proxies.client(peer.parse().unwrap(), headers).to_string()
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right() {
        let proxies = TrustedProxies::x_forwarded_for(NETWORKS).unwrap();
        for (peer, lines, told) in [
            // Nobody's word is taken but a proxy's.
            ("198.51.100.1", ["203.0.113.1", ""].as_slice(), "198.51.100.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1"], "203.0.113.1"),
            ("10.0.0.1", &["198.51.100.7, 203.0.113.1,10.0.0.2"], "203.0.113.1"),
            // Lines go on where the one before ended.
            ("10.0.0.1", &["203.0.113.1", "10.0.0.3, 10.0.0.2"], "203.0.113.1"),
            ("10.0.0.1", &["203.0.113.1", "203.0.113.2"], "203.0.113.2"),
            // All are proxies: the farthest.
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // What is no address ends it.
            ("10.0.0.1", &["203.0.113.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["203.0.113.1, , 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["203.0.113.1, 10.0.0.2:x"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1, 010.0.0.2"], "10.0.0.1"),
            // As some proxies write them.
            ("10.0.0.1", &["203.0.113.1:4711"], "203.0.113.1"),
            ("10.0.0.1", &["[2001:db8::1]:4711, [2001:db8::7]"], "2001:db8::1"),
            ("::ffff:10.0.0.1", &["2001:db8::1, 2001:db8::7"], "2001:db8::1"),
            ("10.0.0.1", &["203.0.113.1, ::ffff:10.0.0.2, 192.0.2.9"], "203.0.113.1"),
        ] {
            assert_eq!(client(&proxies, "X-Forwarded-For", peer, lines), told, "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_field_that_the_proxies_do_not_set_is_not_read() {
        let lines = ["for=203.0.113.1"];
        let proxies = TrustedProxies::x_forwarded_for(NETWORKS).unwrap();
        assert_eq!(client(&proxies, "forwarded", "10.0.0.1", &lines), "10.0.0.1");
        let proxies = TrustedProxies::forwarded(NETWORKS).unwrap();
        assert_eq!(client(&proxies, "x-forwarded-for", "10.0.0.1", &["203.0.113.1"]), "10.0.0.1");
    }

    #[test]
    fn bytes_that_are_no_text_hide_nothing_right_of_them() {
        let proxies = TrustedProxies::x_forwarded_for(NETWORKS).unwrap();
        let headers = [("x-forwarded-for", b"\xff, 203.0.113.1, 10.0.0.2")];
        let told = proxies.client("10.0.0.1".parse().unwrap(), headers);
        assert_eq!(told.to_string(), "203.0.113.1");
    }

    #[test]
    fn a_peer_without_an_address_is_not_the_client() {
        let proxies = TrustedProxies::x_forwarded_for(NETWORKS).unwrap();
        for (line, told) in [
            (Some("198.51.100.9, 203.0.113.1"), Some("203.0.113.1")),
            (Some("203.0.113.1, 10.0.0.2"), Some("203.0.113.1")),
            (Some("unknown"), None),
            (None, None),
        ] {
            let headers = line.map(|line| ("x-forwarded-for", line));
            let client = proxies.forwarded_address(headers).map(|client| client.to_string());
            assert_eq!(client.as_deref(), told, "{line:?}");
        }
    }

    #[test]
    fn says_which_network_is_none() {
        for text in ["10.0.0.0/33", "10.0.0/8", "proxy.example.com", ""] {
            assert_eq!(
                TrustedProxies::x_forwarded_for(["10.0.0.0/8", text]).unwrap_err().to_string(),
                format!("{text:?} is neither a network such as 10.0.0.0/8 nor an address")
            );
        }
    }

    fn entry() -> impl Strategy<Value = (String, Option<IpAddr>)> {
        let address = prop_oneof![
            4 => prop::sample::select(vec!["10.0.0.2", "10.9.9.9", "2001:db8::7", "192.0.2.77"]),
            2 => prop::sample::select(vec!["203.0.113.1", "2001:db8::8", "192.0.3.1"]),
        ];
        let told = address.prop_map(|text| (text.to_owned(), text.parse().ok()));
        prop_oneof![9 => told, 1 => "[a-z ]{0,4}".prop_map(|text| (text, None))]
    }

    proptest! {
        /// The client is the leftmost address right of which there are proxies alone.
        #[test]
        fn the_client_is_whom_an_unbroken_chain_of_proxies_tells(
            lines in prop::collection::vec(prop::collection::vec(entry(), 1..4), 0..4),
            (_, peer) in entry(),
        ) {
            let peer = peer.unwrap_or_else(|| "203.0.113.9".parse().unwrap());
            let proxies = TrustedProxies::x_forwarded_for(NETWORKS).unwrap();
            let text = |line: &Vec<(String, _)>| {
                line.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(",")
            };
            let texts: Vec<String> = lines.iter().map(text).collect();

            let told = lines.iter().flatten().map(|(_, told)| *told);
            let chain: Vec<Option<IpAddr>> = told.chain([Some(peer)]).collect();
            let trusted = ["10.0.0.2", "10.9.9.9", "2001:db8::7", "192.0.2.77"];
            let is_proxy = |told: &Option<IpAddr>| {
                told.is_some_and(|told| trusted.contains(&told.to_string().as_str()))
            };
            let leftmost = (0..chain.len())
                .find(|&i| chain[i].is_some() && chain[i + 1..].iter().all(is_proxy));

            let headers = texts.iter().map(|line| ("x-forwarded-for", line));
            prop_assert_eq!(Some(proxies.client(peer, headers)), chain[leftmost.unwrap()]);
        }
    }
}
