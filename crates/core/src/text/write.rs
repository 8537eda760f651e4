use std::fmt;

use crate::{Rule, Rules};

impl fmt::Display for Rule {
    /// Formats the rule in the format of [`Rule::from_str`](std::str::FromStr::from_str): `100/minute`, `5/10s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.limit().units();
        match self.window().in_units() {
            (1, unit) => write!(f, "{limit}/{}", unit.name()),
            (count, unit) => write!(f, "{limit}/{count}{}", unit.symbol()),
        }
    }
}

impl fmt::Display for Rules {
    /// Formats the rules in the format of [`Rules::from_str`](std::str::FromStr::from_str): `10/second; 1000/hour`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first())?;
        self.rest().iter().try_for_each(|rule| write!(f, "; {rule}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::{Limit, Rule, Rules, Window};

    fn rule() -> impl Strategy<Value = Rule> {
        let units =
            prop::sample::select(vec![1, 1_000, 60_000, 3_600_000, 86_400_000, 7 * 86_400_000]);
        let window = prop_oneof![
            1..=Window::MAX.millis(),
            (1..=30_u64, units).prop_map(|(count, unit)| count * unit),
        ];
        (prop_oneof![1 => Just(0), 9 => any::<u32>()], window).prop_map(|(limit, millis)| {
            Rule::new(Limit::new(limit), Window::from_millis(millis).unwrap())
        })
    }

    proptest! {
        #[test]
        fn rules_round_trip(rules in prop::collection::vec(rule(), 1..=16)) {
            let rules = Rules::new(rules).unwrap();
            prop_assert_eq!(rules.to_string().parse(), Ok(rules.clone()));
            prop_assert_eq!(rules.first().to_string().parse(), Ok(rules.first()));
        }

        #[test]
        fn the_parser_accepts_or_rejects_any_text(text in "[0-9a-zäµ/;,| .\\-]{0,40}|([0-9]{1,4} ?(/|per) ?[0-9]{0,2} ?(s|mo|months?|y|years?)[;|]?){1,2}|\\PC{0,40}") {
            match text.parse::<Rules>() {
                Ok(rules) => prop_assert_eq!(rules.to_string().parse(), Ok(rules)),
                Err(error) => {
                    prop_assert!(text.is_char_boundary(error.offset()));
                    let text = error.to_string();
                    let lines: Vec<_> = text.lines().rev().collect();
                    prop_assert!(lines[0].chars().count() <= lines[1].chars().count() + 1);
                }
            }
        }
    }

    #[test]
    fn rules_have_one_canonical_form() {
        for (text, written) in [
            ("100/minute", "100/minute"),
            ("10/second; 1000/hour", "10/second; 1000/hour"),
            ("10/s,1000/h", "10/second; 1000/hour"),
            ("5 per 10s", "5/10s"),
            ("5PER10S", "5/10s"),
            ("100 per 1h", "100/hour"),
            ("3/500ms", "3/500ms"),
            ("1/1000 ms", "1/second"),
            ("1/Millisecond", "1/millisecond"),
            ("1/2 milliseconds", "1/2ms"),
            ("1/60secs", "1/minute"),
            ("1/90 seconds", "1/90s"),
            ("1 / Sec", "1/second"),
            ("1/min", "1/minute"),
            ("1/2mins", "1/2m"),
            ("1/2 minutes", "1/2m"),
            ("1/24 HOURS", "1/day"),
            ("1/8d", "1/8d"),
            ("1/7days", "1/week"),
            ("1/w", "1/week"),
            ("1000 per Week", "1000/week"),
            ("1/2 weeks", "1/2w"),
            ("1/366d", "1/366d"),
            ("0/minute", "0/minute"),
            ("\t4294967295/3660d\n", "4294967295/3660d"),
        ] {
            assert_eq!(text.parse::<Rules>().unwrap().to_string(), written, "{text:?}");
        }
    }
}
