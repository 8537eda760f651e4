use ratelog_core::{Cost, RuleSource, Rules};

use super::{Bounds, is, keyword, parse_cost, rules};
use crate::error::Error;

/// `limit window [limit window ...] [COST n]` or `POLICY name [COST n]`
#[derive(Debug, PartialEq, Eq)]
pub struct Check<'a> {
    /// The rules, or the name of a policy.
    pub rules: RuleSource<Rules, &'a [u8]>,
    /// The number of units that the check uses.
    pub cost: Cost,
}

const COST: &str = "COST";
const POLICY: &str = "POLICY";

impl<'a> Check<'a> {
    /// Parses the arguments after the key.
    ///
    /// # Errors
    /// [`Error`] for no rule, a bad limit, window or cost, a limit without a window, more than [`Rules::MAX`] rules, an
    /// unknown or repeated keyword, and any argument after the cost.
    pub fn parse(args: impl Iterator<Item = &'a [u8]>, bounds: &Bounds) -> Result<Self, Error> {
        let mut args = args;
        let first = args.next().ok_or(Error::Arity)?;
        let (rules, word) = if is(first, POLICY) {
            let name = args.next().ok_or(Error::KeywordWithoutValue(POLICY))?;
            (RuleSource::Policy(name), args.next())
        } else {
            let (rules, word) = rules(first, &mut args, bounds)?;
            (RuleSource::Rules(rules), word)
        };
        let cost = match word {
            None => Cost::ONE,
            Some(word) => parse_cost("cost", keyword(COST, word, &mut args)?, bounds)?,
        };
        Ok(Self { rules, cost })
    }
}

/// Parses `limit window` or `POLICY name`.
///
/// # Errors
/// [`Error`] for a bad limit or window.
pub fn parse_rule_source<'a>(
    first: &'a [u8],
    second: &'a [u8],
    bounds: &Bounds,
) -> Result<RuleSource<Rules, &'a [u8]>, Error> {
    if is(first, POLICY) {
        return Ok(RuleSource::Policy(second));
    }
    let mut window = std::iter::once(second);
    super::rule(first, &mut window, bounds).map(|rule| RuleSource::Rules(Rules::one(rule)))
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::{Bounds, Check, RuleSource, parse_rule_source};
    use crate::error::Error;

    fn check(line: &str) -> Result<Check<'_>, Error> {
        Check::parse(words(line), &Bounds::default())
    }

    fn error<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_check_has_rules_and_a_cost() {
        let rules = |line| match check(line).unwrap().rules {
            RuleSource::Rules(rules) => rules,
            RuleSource::Policy(name) => panic!("{name:?}"),
        };
        let three = "10 1s 0 1m 1000 2w cost 5";
        let pairs: Vec<_> = rules(three)
            .iter()
            .map(|rule| (rule.limit().units(), rule.window().millis()))
            .collect();
        assert_eq!(pairs, [(10, 1_000), (0, 60_000), (1_000, 1_209_600_000)]);
        assert_eq!(check(three).unwrap().cost.units(), 5);
        assert_eq!(check("10 60").unwrap().cost.units(), 1);
        assert_eq!(rules(&"7 7 ".repeat(16)).iter().count(), 16);
    }

    #[test]
    fn a_check_can_name_a_policy() {
        let request = check("policy api/search COST 3").unwrap();
        assert_eq!(request.rules, RuleSource::Policy(&b"api/search"[..]));
        assert_eq!(request.cost.units(), 3);
        let pair = |first, second| parse_rule_source(first, second, &Bounds::default());
        assert_eq!(pair(b"Policy", b"x"), Ok(RuleSource::Policy(&b"x"[..])));
        assert_eq!(pair(b"10", b"60").unwrap(), check("10 60").unwrap().rules);
        assert_eq!(error(pair(b"10", b"60x")), error(check("10 60x")));
        assert_eq!(
            error(pair(b"", b"60")),
            error(Check::parse([&b""[..], b"60"].into_iter(), &Bounds::default()))
        );
    }

    #[test]
    fn errors_name_the_wrong_argument() {
        let window = |given: &str| {
            format!(
                "ERR window '{given}' is not a positive integer with a unit of ms, s, m, h, d or w (none \
                 means seconds), at most 366d"
            )
        };
        let cost = |given: &str| format!("ERR cost '{given}' is not an integer from 1 to 1000000");
        let limit =
            |given: &str| format!("ERR limit '{given}' is not an integer from 0 to 1000000");
        for (line, text) in [
            ("abc 60", limit("abc")),
            ("POLICY", "ERR POLICY has no value".into()),
            ("POLICY x 10 60", "ERR unknown keyword '10'".into()),
            ("POLICY x POLICY x", "ERR unknown keyword 'POLICY'".into()),
            ("10 60 POLICY x", "ERR unknown keyword 'POLICY'".into()),
            ("-1 60", limit("-1")),
            ("1000001 60", limit("1000001")),
            ("1.5 60", limit("1.5")),
            ("10 0", window("0")),
            ("10 -1", window("-1")),
            ("10 367d", window("367d")),
            ("10 60 +5 60", limit("+5")),
            ("10 60 5", "ERR limit '5' has no window".into()),
            ("10 60 FOO 5", "ERR unknown keyword 'FOO'".into()),
            ("10 60 COST", "ERR COST has no value".into()),
            ("10 60 COST 0", cost("0")),
            ("10 60 COST 1000001", cost("1000001")),
            ("10 60 COST 1 COST 1", "ERR COST is given twice".into()),
            ("10 60 COST 1 100 60", "ERR unexpected argument '100'".into()),
        ] {
            assert_eq!(error(check(line)), text, "{line}");
        }
        let seventeen = "ERR 17 rules are given, at most 16 are allowed";
        assert_eq!(error(check(&"7 7 ".repeat(17))), seventeen);
        assert_eq!(error(check(&("7 7 ".repeat(17) + "COST 1"))), seventeen);
        assert_eq!(check(""), Err(Error::Arity));
    }
}
