use std::fmt;

use crate::Rules;

/// The name of a policy: 1 to 64 characters of `A-Z a-z 0-9 . _ : - /`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyName(Box<str>);

impl PolicyName {
    /// The maximum length of a name.
    pub const MAX: usize = 64;

    /// Parses a name. Returns `None` if it is empty, too long or contains any other character.
    ///
    /// ```
    /// use ratelog_core::PolicyName;
    /// assert_eq!(PolicyName::parse(b"api/search").unwrap().as_str(), "api/search");
    /// assert_eq!(PolicyName::parse(b"api search"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let is_allowed = |byte: &u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-' | b'/')
        };
        if !(1..=Self::MAX).contains(&text.len()) || !text.iter().all(is_allowed) {
            return None;
        }
        std::str::from_utf8(text).ok().map(|name| Self(name.into()))
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for PolicyName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for PolicyName {
    type Error = ParsePolicyNameError;

    /// Parses a name: see [`PolicyName::parse`].
    fn try_from(text: &str) -> Result<Self, ParsePolicyNameError> {
        text.parse()
    }
}

impl std::str::FromStr for PolicyName {
    type Err = ParsePolicyNameError;

    /// Parses a name, like [`PolicyName::parse`].
    ///
    /// # Errors
    /// [`ParsePolicyNameError`] if the text is empty, too long, or contains another character, such as a space.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text.as_bytes()).ok_or(ParsePolicyNameError)
    }
}

/// The error of a text that is not a valid policy name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsePolicyNameError;

impl fmt::Display for ParsePolicyNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let max = PolicyName::MAX;
        write!(f, "a policy's name is 1 to {max} characters of A-Z a-z 0-9 . _ : - /")
    }
}

impl std::error::Error for ParsePolicyNameError {}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Rules with a mode, stored under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The rules.
    pub rules: Rules,
    /// Whether the rules are enforced.
    pub mode: Mode,
}

/// The treatment of a check that the rules deny.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The check is denied.
    #[default]
    Enforce,
    /// The check is allowed, and its units are not recorded. Use it as a dry run of the rules.
    Shadow,
}

#[cfg(test)]
mod tests {
    use super::PolicyName;

    #[test]
    fn names_are_validated() {
        let longest = "x".repeat(64);
        for name in ["a", "A-Z_0.9:/", &longest] {
            let parsed = PolicyName::parse(name.as_bytes()).unwrap();
            assert_eq!(parsed.as_str(), name);
            assert_eq!(parsed.to_string(), name);
        }
        let too_long = "x".repeat(65);
        for name in ["", "a b", "a\n", "ä", "*", too_long.as_str()] {
            assert_eq!(PolicyName::parse(name.as_bytes()), None, "{name:?}");
        }
        assert_eq!(PolicyName::parse(b"\xff"), None);
    }

    #[test]
    fn the_error_describes_a_valid_name() {
        assert_eq!("api".parse::<PolicyName>().unwrap().as_str(), "api");
        assert_eq!(PolicyName::try_from("api").unwrap().as_str(), "api");
        assert_eq!(
            "a b".parse::<PolicyName>().unwrap_err().to_string(),
            "a policy's name is 1 to 64 characters of A-Z a-z 0-9 . _ : - /"
        );
    }

    #[test]
    fn names_borrow_as_text() {
        let names = std::collections::BTreeSet::from([PolicyName::parse(b"api").unwrap()]);
        assert!(names.contains("api"));
    }
}
