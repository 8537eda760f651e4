use ratelog_core::{Limit, Rule, Window};

/// The most by which a pace is slower than its rule: a hundredth.
const PRECISION: u64 = 100;
/// The shortest window, in milliseconds.
const SHORTEST: u64 = 50;

/// The rule that spreads the units of `rule` evenly: instead of 5 in any second, 1 in any 200 milliseconds. `None` for a
/// limit of 0, which has no pace.
///
/// It allows at most the rate of `rule`, and at least 99 % of it: windows are whole milliseconds. At more than 20 units a
/// second, a few units share a window of at least 50 milliseconds: each wait of a caller takes a millisecond or two longer
/// than asked, which is not made up for.
///
/// ```
/// use ratelog_client_core::engine::pace;
/// use ratelog_core::Rule;
///
/// let paced = |text: &str| Some(pace(text.parse::<Rule>().ok()?)?.to_string());
/// assert_eq!(paced("5/second").as_deref(), Some("1/200ms"));
/// assert_eq!(paced("100/minute").as_deref(), Some("1/600ms"));
/// assert_eq!(paced("5000/second").as_deref(), Some("250/50ms"));
/// ```
#[must_use]
pub fn pace(rule: Rule) -> Option<Rule> {
    let (limit, window) = (rule.limit().units(), rule.window().millis());
    let shortest = window.checked_div(limit)?.max(SHORTEST);
    let paced = (shortest..window).find_map(|millis| {
        // Widened, because windows may be years long.
        let exact = u128::from(limit) * u128::from(millis);
        let units = exact / u128::from(window);
        let is_precise = units > 0 && (exact % u128::from(window)) * u128::from(PRECISION) <= exact;
        let units = u32::try_from(units).ok().filter(|_| is_precise)?;
        Some(Rule::new(Limit::new(units), Window::from_millis(millis)?))
    });
    Some(paced.unwrap_or(rule))
}

#[cfg(test)]
mod tests {
    use super::pace;
    use proptest::prelude::*;
    use ratelog_core::{Limit, Rule, Window};

    fn rule(limit: u32, millis: u64) -> Rule {
        Rule::new(Limit::new(limit), Window::from_millis(millis).unwrap())
    }

    #[test]
    fn units_are_spread_evenly() {
        for (rapid, even) in [
            (rule(5, 1_000), rule(1, 200)),
            (rule(7, 1_000), rule(1, 143)),
            (rule(1, 1_000), rule(1, 1_000)),
            (rule(50, 1_000), rule(3, 60)),
            (rule(1_000, 1_000), rule(50, 50)),
            (rule(1_500, 1_000), rule(75, 50)),
            (rule(700, 1_000), rule(35, 50)),
            (rule(3, 2), rule(3, 2)),
            (rule(u32::MAX, 1), rule(u32::MAX, 1)),
            (rule(1, 366 * 86_400_000), rule(1, 366 * 86_400_000)),
        ] {
            assert_eq!(pace(rapid), Some(even), "{rapid}");
        }
        assert_eq!(pace(rule(0, 1_000)), None);
    }

    proptest! {
        #[test]
        fn a_pace_is_never_faster_and_hardly_slower(limit in 1..100_000_u32, millis in 1..10_000_000_u64) {
            let even = pace(rule(limit, millis)).unwrap();
            // Both rates in units per product of the windows.
            let own = u128::from(even.limit().units()) * u128::from(millis);
            let most = u128::from(limit) * u128::from(even.window().millis());
            prop_assert!(own <= most && own * 100 >= most * 99, "{even}");
            prop_assert!(even.limit().units() <= u64::from(limit));
        }
    }
}
