use std::fmt;
use std::str::FromStr;

/// The header in which proxies report the client's address. Names are in lower case.
///
/// Proxies append to `x-forwarded-for` and `forwarded`, so these hold a list. The other headers hold one address, which
/// the proxy nearest to the client sets.
///
/// ```
/// use ratelog_client_core::http::ProxyHeader;
/// assert_eq!("cf-connecting-ip".parse(), Ok(ProxyHeader::CfConnectingIp));
/// assert_eq!(ProxyHeader::Forwarded.to_string(), "forwarded");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`: a list of addresses.
    XForwardedFor,
    /// `Forwarded` (RFC 7239): a list of elements with addresses.
    Forwarded,
    /// `CF-Connecting-IP`: one address, set by Cloudflare.
    CfConnectingIp,
    /// `X-Real-IP`: one address, set for example by nginx with `proxy_set_header X-Real-IP $remote_addr`.
    XRealIp,
    /// `True-Client-IP`: one address, set by Akamai and by Cloudflare Enterprise.
    TrueClientIp,
    /// `Fly-Client-IP`: one address, set by Fly.io.
    FlyClientIp,
}

impl ProxyHeader {
    const ALL: [Self; 6] = [
        Self::XForwardedFor,
        Self::Forwarded,
        Self::CfConnectingIp,
        Self::XRealIp,
        Self::TrueClientIp,
        Self::FlyClientIp,
    ];

    /// The name in lower case.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
            Self::CfConnectingIp => "cf-connecting-ip",
            Self::XRealIp => "x-real-ip",
            Self::TrueClientIp => "true-client-ip",
            Self::FlyClientIp => "fly-client-ip",
        }
    }

    /// Whether the header is a list to which each proxy appends.
    pub(super) const fn is_list(self) -> bool {
        matches!(self, Self::XForwardedFor | Self::Forwarded)
    }
}

impl fmt::Display for ProxyHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ProxyHeader {
    type Err = UnknownProxyHeader;

    /// # Errors
    /// [`UnknownProxyHeader`] for any text except the six names, which are in lower case.
    fn from_str(text: &str) -> Result<Self, UnknownProxyHeader> {
        let found = Self::ALL.into_iter().find(|header| header.name() == text);
        found.ok_or_else(|| UnknownProxyHeader(text.to_owned()))
    }
}

/// The error for a text that names no [`ProxyHeader`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownProxyHeader(String);

impl fmt::Display for UnknownProxyHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text) = self;
        let names = ProxyHeader::ALL.map(ProxyHeader::name).join(", ");
        write!(f, "{text:?} is not one of {names}")
    }
}

impl std::error::Error for UnknownProxyHeader {}

#[cfg(test)]
mod tests {
    use super::ProxyHeader;

    #[test]
    fn it_parses_its_own_text_and_nothing_else() {
        for header in ProxyHeader::ALL {
            assert_eq!(header.to_string().parse(), Ok(header));
        }
        assert_eq!(
            "X-Real-IP".parse::<ProxyHeader>().unwrap_err().to_string(),
            "\"X-Real-IP\" is not one of x-forwarded-for, forwarded, cf-connecting-ip, x-real-ip, true-client-ip, \
             fly-client-ip"
        );
    }
}
