use ratelog_core::{Mode, Policy, PolicyName};

use super::{Bounds, is, parse_policy_name, parse_rules};
use crate::error::Error;

/// `name [SHADOW] limit window [limit window ...]`
#[derive(Debug, PartialEq, Eq)]
pub struct PolicySet {
    /// What it is called.
    pub name: PolicyName,
    /// What it says.
    pub policy: Policy,
}

impl PolicySet {
    /// Reads the arguments.
    ///
    /// # Errors
    /// [`Error`] for a bad name, and for anything but `SHADOW` and 1 to 16 rules after it.
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
    fn is_a_name_and_rules() {
        let parse = |line| PolicySet::parse(words(line), &Bounds::default());
        let set = parse("api shadow 10 1s 100 1m").unwrap();
        assert_eq!((set.name.as_str(), set.policy.mode), ("api", Mode::Shadow));
        assert_eq!(set.policy.rules.iter().count(), 2);
        assert_eq!(parse("SHADOW 10 1s").unwrap().policy.mode, Mode::Enforce);

        let told = |line| parse(line).unwrap_err().to_string();
        assert_eq!(
            told("a* 10 1s"),
            "ERR policy name 'a*' is not 1 to 64 characters of A-Z a-z 0-9 . _ : - /"
        );
        assert_eq!(told("api"), "ERR wrong number of arguments");
        assert_eq!(told("api SHADOW"), "ERR wrong number of arguments");
        assert_eq!(
            told("api SHADOW SHADOW 10 1s"),
            "ERR limit 'SHADOW' is not an integer from 1 to 1000000"
        );
        assert_eq!(told("api 10 1s SHADOW"), "ERR unexpected argument 'SHADOW'");
        assert_eq!(told("api 10 1s 5"), "ERR limit '5' has no window");
    }
}
