//! Entries of the headers in which proxies report the client's address.

use std::net::{IpAddr, SocketAddr};

use super::ProxyHeader;

impl ProxyHeader {
    /// The address in one entry, which has no commas around it, or in the whole header if it is no list; `None` if the entry has no address.
    pub(super) fn address(self, entry: &[u8]) -> Option<IpAddr> {
        let entry = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
        match self {
            Self::Forwarded => element_address(entry),
            Self::XForwardedFor
            | Self::CfConnectingIp
            | Self::XRealIp
            | Self::TrueClientIp
            | Self::FlyClientIp => address(entry),
        }
    }
}

/// An address. Some proxies write it with a port, or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().map(IpAddr::V6).ok();
    let with_port = || text.parse().map(|address: SocketAddr| address.ip()).ok();
    text.parse().ok().or_else(with_port).or_else(bare)
}

/// The address in the `for` parameter of one element of `Forwarded`.
///
/// The header was split at commas, which may have cut a quoted string in two, such as a host that a client made up. The
/// rightmost part of such a string has an unpaired or an escaped quote. It is rejected, so nothing left of it is read.
fn element_address(element: &str) -> Option<IpAddr> {
    let is_whole = element.matches('"').count().is_multiple_of(2) && !element.contains('\\');
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let addresses = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for")).count();
    if !is_whole || addresses != 1 {
        return None;
    }
    let node = rfc7239::parse(element).next()?.ok()?.forwarded_for?;
    node.ip().copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::http::TrustedProxies;

    /// The client of a request from 10.0.0.1 with these `Forwarded` lines.
    fn client<T: AsRef<[u8]>>(lines: &[T]) -> String {
        let proxies = TrustedProxies::forwarded(["10.0.0.0/8"]).unwrap();
        client_address("forwarded", &proxies, lines)
    }

    fn client_address<T: AsRef<[u8]>>(
        name: &'static str,
        proxies: &TrustedProxies,
        lines: &[T],
    ) -> String {
        let headers = lines.iter().map(|line| (name, line));
        proxies.client_address([10, 0, 0, 1].into(), headers).to_string()
    }

    #[test]
    fn forwarded_is_read_from_the_right_regardless_of_what_a_client_sent() {
        for (lines, expected) in [
            (["for=203.0.113.1;proto=https;by=10.0.0.1"].as_slice(), "203.0.113.1"),
            (&["For=\"[2001:db8::1]:4711\", for=10.0.0.2"], "2001:db8::1"),
            (&["for=203.0.113.1", "for=10.0.0.3,for=10.0.0.2"], "203.0.113.1"),
            (&["for=203.0.113.1, for=unknown"], "10.0.0.1"),
            (&["for=203.0.113.1, for=_hidden, for=10.0.0.2"], "10.0.0.2"),
            (&["for=203.0.113.1, proto=https"], "10.0.0.1"),
            // A quote that the client left open does not hide what the proxy appended.
            (&["for=\"198.51.100.1, for=203.0.113.1"], "203.0.113.1"),
            // The proxy copied a host that the client made up.
            (&["for=203.0.113.1;host=\"x, for=198.51.100.1\""], "10.0.0.1"),
            (&["for=203.0.113.1;host=\"x, for=198.51.100.1;a=\""], "10.0.0.1"),
            (&["for=203.0.113.1;host=\"x\\\", for=198.51.100.1;a=\\\"\""], "10.0.0.1"),
            (&["for=203.0.113.1;host=x;for=198.51.100.1"], "10.0.0.1"),
        ] {
            assert_eq!(client(lines), expected, "{lines:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_client_sends_hides_what_a_proxy_appends(sent in "[\t -~]{0,40}") {
            for lines in [
                vec![format!("{sent},for=203.0.113.1")],
                vec![sent.clone(), "for=203.0.113.1".to_owned()],
            ] {
                prop_assert_eq!(client(&lines), "203.0.113.1");
            }
            let proxies = TrustedProxies::x_forwarded_for(["10.0.0.0/8"]).unwrap();
            let line = format!("{sent},203.0.113.1");
            prop_assert_eq!(client_address("x-forwarded-for", &proxies, &[line]), "203.0.113.1");
        }

        /// For example a host, which the proxy writes beside the address.
        #[test]
        fn nothing_that_a_proxy_quotes_is_taken_for_an_address(
            sent in r#"([\t -~]|, ?for=198\.51\.100\.1|;for=198\.51\.100\.1|;a=|"|\\){0,8}"#,
        ) {
            let quoted = sent.replace('\\', r"\\").replace('"', r#"\""#);
            let client = client(&[format!("for=203.0.113.1;host=\"{quoted}\"")]);
            prop_assert!(["203.0.113.1", "10.0.0.1"].contains(&client.as_str()), "{}", client);
        }
    }
}
