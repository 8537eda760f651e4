use ratelog_core::{Mode, Policy, PolicyName};

use super::{Bounds, is, parse_policy_name, parse_rules};
use crate::error::Error;

/// `name [SHADOW] limit window [limit window ...]`
#[derive(Debug, PartialEq, Eq)]
pub struct PolicySet {
    /// The policy's name.
    pub name: PolicyName,
    /// The policy.
    pub policy: Policy,
}

impl PolicySet {
    /// Parses the arguments.
    ///
    /// # Errors
    /// [`Error`] for a bad name, and unless an optional `SHADOW` and 1 to 16 rules follow the name.
    pub fn parse<'a>(args: impl Iterator<Item = &'a [u8]>, bounds: &Bounds) -> Result<Self, Error> {
        let mut args = args;
        let name = parse_policy_name(args.next().ok_or(Error::Arity)?)?;
        let mut args = args.peekable();
        let mode = match args.next_if(|word| is(word, "SHADOW")) {
            Some(_) => Mode::Shadow,
            None => Mode::Enforce,
        };
        Ok(Self { name, policy: Policy { rules: parse_rules(args, bounds)?, mode } })
    }
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::{Bounds, PolicySet};
    use ratelog_core::Mode;

    #[test]
    fn has_a_name_and_rules() {
        let parse = |line| PolicySet::parse(words(line), &Bounds::default());
        let set = parse("api shadow 10 1s 100 1m").unwrap();
        assert_eq!((set.name.as_str(), set.policy.mode), ("api", Mode::Shadow));
        assert_eq!(set.policy.rules.iter().count(), 2);
        assert_eq!(parse("SHADOW 10 1s").unwrap().policy.mode, Mode::Enforce);

        let error = |line| parse(line).unwrap_err().to_string();
        assert_eq!(
            error("a* 10 1s"),
            "ERR policy name 'a*' is not 1 to 64 characters of A-Z a-z 0-9 . _ : - /"
        );
        assert_eq!(error("api"), "ERR wrong number of arguments");
        assert_eq!(error("api SHADOW"), "ERR wrong number of arguments");
        assert_eq!(
            error("api SHADOW SHADOW 10 1s"),
            "ERR limit 'SHADOW' is not an integer from 0 to 1000000"
        );
        assert_eq!(error("api 10 1s SHADOW"), "ERR unexpected argument 'SHADOW'");
        assert_eq!(error("api 10 1s 5"), "ERR limit '5' has no window");
    }
}
