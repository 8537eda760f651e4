//! The entries of the fields that proxies tell addresses in.

use std::net::{IpAddr, SocketAddr};

/// A field that proxies add an entry to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    XForwardedFor,
    Forwarded,
}

impl Field {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }

    /// The address of an entry, without the commas around it; `None` if it tells none.
    pub(super) fn address(self, entry: &[u8]) -> Option<IpAddr> {
        let entry = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
        match self {
            Self::XForwardedFor => address(entry),
            Self::Forwarded => of_element(entry),
        }
    }
}

/// The address that some write with a port, or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().map(IpAddr::V6).ok();
    let with_port = || text.parse().map(|address: SocketAddr| address.ip()).ok();
    text.parse().ok().or_else(with_port).or_else(bare)
}

/// The address of the `for` of one element of `Forwarded`.
///
/// Splitting the field at commas may have cut a quoted text in two, such as a host that a client made up. The rightmost
/// part of such a text has a quote without its fellow, or an escaped one, and is refused: none left of it is read.
fn of_element(element: &str) -> Option<IpAddr> {
    let is_whole = element.matches('"').count().is_multiple_of(2) && !element.contains('\\');
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let told = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for")).count();
    if !is_whole || told != 1 {
        return None;
    }
    let node = rfc7239::parse(element).next()?.ok()?.forwarded_for?;
    node.ip().copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::http::TrustedProxies;

    /// The client of a request that came through 10.0.0.1 with these lines of `Forwarded`.
    fn client<T: AsRef<[u8]>>(lines: &[T]) -> String {
        told("forwarded", &TrustedProxies::forwarded(["10.0.0.0/8"]).unwrap(), lines)
    }

    fn told<T: AsRef<[u8]>>(name: &'static str, proxies: &TrustedProxies, lines: &[T]) -> String {
        proxies.client([10, 0, 0, 1].into(), lines.iter().map(|line| (name, line))).to_string()
    }

    #[test]
    fn forwarded_is_read_from_the_right_whatever_a_client_wrote_into_it() {
        for (lines, told) in [
            (["for=203.0.113.1;proto=https;by=10.0.0.1"].as_slice(), "203.0.113.1"),
            (&["For=\"[2001:db8::1]:4711\", for=10.0.0.2"], "2001:db8::1"),
            (&["for=203.0.113.1", "for=10.0.0.3,for=10.0.0.2"], "203.0.113.1"),
            (&["for=203.0.113.1, for=unknown"], "10.0.0.1"),
            (&["for=203.0.113.1, for=_hidden, for=10.0.0.2"], "10.0.0.2"),
            (&["for=203.0.113.1, proto=https"], "10.0.0.1"),
            // A quote that the client left open does not swallow what the proxy wrote.
            (&["for=\"198.51.100.1, for=203.0.113.1"], "203.0.113.1"),
            // A host that the client made up, in the element that the proxy wrote.
            (&["for=203.0.113.1;host=\"x, for=198.51.100.1\""], "10.0.0.1"),
            (&["for=203.0.113.1;host=\"x, for=198.51.100.1;a=\""], "10.0.0.1"),
            (&["for=203.0.113.1;host=\"x\\\", for=198.51.100.1;a=\\\"\""], "10.0.0.1"),
            (&["for=203.0.113.1;host=x;for=198.51.100.1"], "10.0.0.1"),
        ] {
            assert_eq!(client(lines), told, "{lines:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_client_sends_hides_what_a_proxy_adds(sent in "[\t -~]{0,40}") {
            for lines in [
                vec![format!("{sent},for=203.0.113.1")],
                vec![sent.clone(), "for=203.0.113.1".to_owned()],
            ] {
                prop_assert_eq!(client(&lines), "203.0.113.1");
            }
            let proxies = TrustedProxies::x_forwarded_for(["10.0.0.0/8"]).unwrap();
            let line = format!("{sent},203.0.113.1");
            prop_assert_eq!(told("x-forwarded-for", &proxies, &[line]), "203.0.113.1");
        }

        /// As a host, say, which the proxy writes beside the address.
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
