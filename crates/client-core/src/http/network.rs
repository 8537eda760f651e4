use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// Parses a network or an address. IPv4 mapped to IPv6 is IPv4.
pub(super) fn network(text: &str) -> Result<IpNet, NetworkError> {
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

/// The error for a text that is neither a network nor an address.
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
    use super::network;

    #[test]
    fn an_error_names_the_text_that_is_no_network() {
        for text in ["10.0.0.0/33", "10.0.0/8", "proxy.example.com", ""] {
            assert_eq!(
                network(text).unwrap_err().to_string(),
                format!("{text:?} is neither a network such as 10.0.0.0/8 nor an address")
            );
        }
    }
}
