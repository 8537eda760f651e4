use std::fmt;
use std::str::FromStr;

/// The headers that report a decision. `Retry-After` belongs to no family: a denied response has it with each of them.
///
/// Settings write it as `draft-11`, `x-ratelimit`, `x-ratelimit-epoch`, `both` or `none`.
///
/// ```
/// use ratelog_client_core::http::HeaderFamily;
/// assert_eq!("x-ratelimit".parse(), Ok(HeaderFamily::XRateLimit));
/// assert_eq!(HeaderFamily::default().to_string(), "draft-11");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HeaderFamily {
    /// `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-11.
    #[default]
    Draft11,
    /// `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset` in seconds from now.
    XRateLimit,
    /// The same headers, with `X-RateLimit-Reset` as Unix time in seconds, as GitHub and slowapi write it.
    XRateLimitEpoch,
    /// [`Self::Draft11`] and [`Self::XRateLimit`].
    Both,
    /// Neither family.
    None,
}

impl HeaderFamily {
    const ALL: [Self; 5] =
        [Self::Draft11, Self::XRateLimit, Self::XRateLimitEpoch, Self::Both, Self::None];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Draft11 => "draft-11",
            Self::XRateLimit => "x-ratelimit",
            Self::XRateLimitEpoch => "x-ratelimit-epoch",
            Self::Both => "both",
            Self::None => "none",
        }
    }

    pub(super) const fn has_draft_11(self) -> bool {
        matches!(self, Self::Draft11 | Self::Both)
    }

    pub(super) const fn has_x_ratelimit(self) -> bool {
        matches!(self, Self::XRateLimit | Self::XRateLimitEpoch | Self::Both)
    }
}

impl fmt::Display for HeaderFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for HeaderFamily {
    type Err = UnknownHeaderFamily;

    /// # Errors
    /// [`UnknownHeaderFamily`] for any text except the five names, which are in lower case.
    fn from_str(text: &str) -> Result<Self, UnknownHeaderFamily> {
        let found = Self::ALL.into_iter().find(|family| family.as_str() == text);
        found.ok_or_else(|| UnknownHeaderFamily(text.to_owned()))
    }
}

/// The error for a text that names no [`HeaderFamily`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownHeaderFamily(String);

impl fmt::Display for UnknownHeaderFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text) = self;
        let names = HeaderFamily::ALL.map(HeaderFamily::as_str).join(", ");
        write!(f, "{text:?} is not one of {names}")
    }
}

impl std::error::Error for UnknownHeaderFamily {}

#[cfg(test)]
mod tests {
    use super::HeaderFamily;

    #[test]
    fn it_parses_its_own_text_and_nothing_else() {
        for (text, family) in [
            ("draft-11", HeaderFamily::Draft11),
            ("x-ratelimit", HeaderFamily::XRateLimit),
            ("x-ratelimit-epoch", HeaderFamily::XRateLimitEpoch),
            ("both", HeaderFamily::Both),
            ("none", HeaderFamily::None),
        ] {
            assert_eq!(text.parse(), Ok(family));
            assert_eq!(family.to_string(), text);
        }
        let error = "Draft-11".parse::<HeaderFamily>().unwrap_err();
        assert_eq!(
            error.to_string(),
            r#""Draft-11" is not one of draft-11, x-ratelimit, x-ratelimit-epoch, both, none"#
        );
    }
}
