use std::fmt;

use ratelog_core::{Limit, PolicyName, Rules, Window};

/// The reason why a command failed. Nothing has been changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The number of arguments is wrong. The server has its own text for this error.
    Arity,
    /// An argument is not an integer in a range.
    Integer {
        /// The name of the argument.
        name: &'static str,
        /// The argument.
        given: Argument,
        /// The minimum.
        min: u64,
        /// The bound.
        max: u64,
    },
    /// An argument is not a time.
    Instant(Argument),
    /// An argument is not a window.
    Window {
        /// The argument.
        given: Argument,
        /// The bound.
        max: Window,
    },
    /// The last limit is not followed by a window.
    LimitWithoutWindow(Argument),
    /// The number of rules exceeds the maximum.
    TooManyRules(usize),
    /// A key of several is not followed by one rule or a policy.
    KeyWithoutRule(Argument),
    /// The number of keys exceeds the maximum.
    TooManyKeys {
        /// The number of keys.
        given: usize,
        /// The bound.
        max: usize,
    },
    /// A pattern of keys is too long.
    PatternTooLong {
        /// The length in bytes.
        given: usize,
        /// The bound.
        max: usize,
    },
    /// A word is not a keyword of the command.
    UnknownKeyword(Argument),
    /// A keyword has no value.
    KeywordWithoutValue(&'static str),
    /// A keyword occurs twice.
    RepeatedKeyword(&'static str),
    /// An argument follows the last one that the command accepts.
    Unexpected(Argument),
    /// A word is not an action of an override.
    Action(Argument),
    /// No policy has this name.
    NoPolicy(Argument),
    /// A text is not a valid policy name.
    PolicyName(Argument),
    /// The command would exceed the maximum number of policies.
    TooManyPolicies {
        /// The bound.
        max: usize,
    },
    /// A text is not a valid document of policies, for this reason.
    Policies(String),
    /// The bytes of an internal `LOAD` are not a value, for this reason.
    Payload(String),
    /// The server is not a node of a cluster.
    NoCluster,
    /// The key has a value of another type.
    WrongType,
    /// The server has no memory for a new key.
    OutOfMemory,
    /// The command panicked before it replied, which is a bug in the module.
    Panicked,
}

/// An argument as an error shows it: escaped, and truncated if it is long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument(String);

impl Argument {
    const MAX_BYTES: usize = 64;
}

impl From<&[u8]> for Argument {
    #[cold]
    fn from(bytes: &[u8]) -> Self {
        match bytes.split_at_checked(Self::MAX_BYTES) {
            Some((shown, rest)) if !rest.is_empty() => Self(format!("{}...", shown.escape_ascii())),
            _ => Self(bytes.escape_ascii().to_string()),
        }
    }
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0)
    }
}

impl Error {
    /// Returns the error for an argument that is not a limit.
    #[cold]
    pub fn limit(given: &[u8], max: Limit) -> Self {
        Self::Integer { name: "limit", given: given.into(), min: 0, max: max.units() }
    }

    /// Returns the text without its code.
    pub fn reason(&self) -> String {
        let text = self.to_string();
        text.split_once(' ').map_or_else(String::new, |(_, reason)| reason.to_owned())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arity => write!(f, "ERR wrong number of arguments"),
            Self::Integer { name, given, min, max } => {
                write!(f, "ERR {name} {given} is not an integer from {min} to {max}")
            }
            Self::Instant(given) => {
                write!(f, "ERR instant {given} is not milliseconds since the Unix epoch")
            }
            Self::Window { given, max } => write!(
                f,
                "ERR window {given} is not a positive integer with a unit of ms, s, m, h, d or w \
                 (none means seconds), at most {max}"
            ),
            Self::LimitWithoutWindow(limit) => write!(f, "ERR limit {limit} has no window"),
            Self::TooManyRules(given) => {
                write!(f, "ERR {given} rules are given, at most {} are allowed", Rules::MAX)
            }
            Self::KeyWithoutRule(key) => write!(
                f,
                "ERR key {key} is not followed by one rule or POLICY name (for several rules of one key, use a policy)"
            ),
            Self::TooManyKeys { given, max } => {
                write!(f, "ERR {given} keys are given, at most {max} are allowed (rl.max-keys)")
            }
            Self::PatternTooLong { given, max } => {
                write!(f, "ERR the pattern has {given} bytes, at most {max} are allowed")
            }
            Self::UnknownKeyword(given) => write!(f, "ERR unknown keyword {given}"),
            Self::KeywordWithoutValue(keyword) => write!(f, "ERR {keyword} has no value"),
            Self::RepeatedKeyword(keyword) => write!(f, "ERR {keyword} is given twice"),
            Self::Unexpected(given) => write!(f, "ERR unexpected argument {given}"),
            Self::Action(given) => write!(f, "ERR override {given} is not ALLOW, DENY or LIMIT"),
            Self::NoPolicy(given) => write!(f, "NOPOLICY no policy named {given}"),
            Self::PolicyName(given) => write!(
                f,
                "ERR policy name {given} is not 1 to {} characters of A-Z a-z 0-9 . _ : - /",
                PolicyName::MAX
            ),
            Self::TooManyPolicies { max } => {
                write!(f, "ERR there would be more than {max} policies (rl.max-policies)")
            }
            Self::Policies(reason) => write!(f, "ERR policies cannot be read: {reason}"),
            Self::Payload(reason) => write!(f, "ERR payload is not a value: {reason}"),
            Self::NoCluster => write!(f, "ERR this server is not in a cluster"),
            Self::WrongType => {
                write!(f, "WRONGTYPE Operation against a key holding the wrong kind of value")
            }
            Self::OutOfMemory => {
                write!(f, "OOM command not allowed when used memory > 'maxmemory'.")
            }
            Self::Panicked => write!(f, "ERR internal error in ratelog, please report it"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::{Argument, Error};

    #[test]
    fn arguments_are_escaped_and_truncated() {
        let shown = |bytes: &[u8]| Argument::from(bytes).to_string();
        assert_eq!(shown(b"abc"), "'abc'");
        assert_eq!(shown(b""), "''");
        assert_eq!(shown(b"a\r\n\0\xff'"), r"'a\r\n\x00\xff\''");
        assert_eq!(shown(&[b'x'; 64]), format!("'{}'", "x".repeat(64)));
        assert_eq!(shown(&[b'x'; 65]), format!("'{}...'", "x".repeat(64)));
    }

    #[test]
    fn every_text_starts_with_its_code() {
        let max = ratelog_core::Window::DEFAULT_MAX;
        let texts = [
            (
                Error::Instant(b"x"[..].into()),
                "ERR instant 'x' is not milliseconds since the Unix epoch",
            ),
            (
                Error::Window { given: b"5x"[..].into(), max },
                "ERR window '5x' is not a positive integer with a unit of ms, s, m, h, d or w (none \
                 means seconds), at most 366d",
            ),
            (Error::TooManyRules(17), "ERR 17 rules are given, at most 16 are allowed"),
            (Error::Arity, "ERR wrong number of arguments"),
            (Error::Payload("x".into()), "ERR payload is not a value: x"),
        ];
        for (error, text) in texts {
            assert_eq!(error.to_string(), text);
        }
    }
}
