use std::fmt;
use std::str::FromStr;

/// Which fields tell of a decision; `Retry-After` is in none of the families, for any denial has it.
///
/// As text, in settings: `draft-11`, `x-ratelimit`, `both` or `none`.
///
/// ```
/// use ratelog_client_core::http::HeaderFamily;
/// assert_eq!("x-ratelimit".parse(), Ok(HeaderFamily::XRateLimit));
/// assert_eq!(HeaderFamily::default().to_string(), "draft-11");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HeaderFamily {
    /// `RateLimit-Policy` and `RateLimit` as draft-ietf-httpapi-ratelimit-headers-11 has them.
    #[default]
    Draft11,
    /// `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset`.
    XRateLimit,
    /// Both of them.
    Both,
    /// Neither.
    None,
}

impl HeaderFamily {
    const ALL: [Self; 4] = [Self::Draft11, Self::XRateLimit, Self::Both, Self::None];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Draft11 => "draft-11",
            Self::XRateLimit => "x-ratelimit",
            Self::Both => "both",
            Self::None => "none",
        }
    }

    pub(super) const fn has_draft_11(self) -> bool {
        matches!(self, Self::Draft11 | Self::Both)
    }

    pub(super) const fn has_x_ratelimit(self) -> bool {
        matches!(self, Self::XRateLimit | Self::Both)
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
    /// [`UnknownHeaderFamily`] for any text but the four names, which are lower case.
    fn from_str(text: &str) -> Result<Self, UnknownHeaderFamily> {
        let found = Self::ALL.into_iter().find(|family| family.as_str() == text);
        found.ok_or_else(|| UnknownHeaderFamily(text.to_owned()))
    }
}

/// A text that is no [`HeaderFamily`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownHeaderFamily(String);

impl fmt::Display for UnknownHeaderFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text) = self;
        write!(f, "{text:?} is none of the fields draft-11, x-ratelimit, both and none")
    }
}

impl std::error::Error for UnknownHeaderFamily {}

#[cfg(test)]
mod tests {
    use super::HeaderFamily;

    #[test]
    fn reads_what_it_prints_and_nothing_else() {
        for (text, family) in [
            ("draft-11", HeaderFamily::Draft11),
            ("x-ratelimit", HeaderFamily::XRateLimit),
            ("both", HeaderFamily::Both),
            ("none", HeaderFamily::None),
        ] {
            assert_eq!(text.parse(), Ok(family));
            assert_eq!(family.to_string(), text);
        }
        let error = "Draft-11".parse::<HeaderFamily>().unwrap_err();
        assert_eq!(
            error.to_string(),
            r#""Draft-11" is none of the fields draft-11, x-ratelimit, both and none"#
        );
    }
}
