use std::borrow::Cow;

use sfv::StringRef;

use super::named_rules::{Item, policy_field};
use super::{Field, HeaderFamily, NamedRules, headers, problem};
use ratelog_core::{Decision, Rule};

/// The limits that the responses of an endpoint tell of together, each decided by itself.
///
/// No two rules have one name: where a limit has a name or a policy of one before it, the names of all its rules begin
/// with its place, as `2:100/minute` for the second limit.
///
/// ```
/// use ratelog_client_core::http::{HeaderFamily, NamedRules, LimitSet};
/// use ratelog_core::{Decision, Limit, Rule, Rules, Window};
///
/// let [user, everyone] = [10, 1_000].map(|limit| {
///     Rule::new(Limit::new(limit).unwrap(), Window::from_millis(60_000).unwrap())
/// });
/// let told = LimitSet::new([user, everyone].map(|rule| NamedRules::from(&Rules::one(rule))));
/// let decided = [(user, 9), (everyone, 0)].map(|(rule, remaining)| Decision {
///     allowed: true,
///     limit: rule.limit(),
///     remaining,
///     retry_after: Some(0),
///     reset_after: 60_000,
///     window: rule.window(),
/// });
/// let fields = told.fields(HeaderFamily::Draft11, &decided);
/// assert_eq!(fields[0].1, r#""10/minute";q=10;w=60, "1000/minute";q=1000;w=60"#);
/// assert_eq!(fields[1].1, r#""10/minute";r=9;t=60, "1000/minute";r=0;t=60"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSet {
    limits: Vec<NamedRules>,
    field: String,
}

/// The rules that decisions speak of.
pub(super) struct Bindings<'a> {
    /// The name of each.
    pub(super) names: Vec<Cow<'a, StringRef>>,
    /// A `RateLimit-Policy` that lists them all.
    pub(super) policy_field: Cow<'a, str>,
}

impl LimitSet {
    /// The limits of an endpoint, in their order.
    #[must_use]
    pub fn new(limits: impl IntoIterator<Item = NamedRules>) -> Self {
        let mut told: Vec<NamedRules> = Vec::new();
        for mut limits in limits {
            while told.iter().any(|earlier| earlier.is_confused_with(&limits)) {
                limits = limits.prefixed(told.len() + 1);
            }
            told.push(limits);
        }
        let field = told.iter().map(NamedRules::field).fold(String::new(), joined);
        Self { limits: told, field }
    }

    /// How many limits they are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.limits.len()
    }

    /// Whether there is nothing to tell of.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// The `RateLimit-Policy` that lists the rules of all limits; empty if none is known.
    #[must_use]
    pub fn policy_field(&self) -> &str {
        &self.field
    }

    /// The fields of a response, as [`fields`](super::fields) has them of one decision; a decision for each limit, in their order.
    ///
    /// `RateLimit` has an item for the binding rule of each limit. The `X-RateLimit` fields and `Retry-After` tell of one
    /// decision: of those that deny, the one with the longest wait; where none does, the one with the least remaining;
    /// the first given wins a tie. So who waits that long is not denied again for any of the reasons, and there is no
    /// `Retry-After` where one of them never ends.
    #[must_use]
    pub fn fields(&self, family: HeaderFamily, decisions: &[Decision]) -> Vec<Field<'_>> {
        headers::of_several(family, &self.limits, &self.field, decisions)
    }

    /// A denial as problem details, as [`problem()`] has them: `violated-policies` are the binding rules of all decisions
    /// that deny, and `retry_after_ms` the longest wait of these.
    #[must_use]
    pub fn problem(&self, decisions: &[Decision]) -> String {
        problem::of_several(&self.limits, &self.field, decisions)
    }
}

/// The rules that `decisions` speak of, one for each of `limits`, which `field` lists.
pub(super) fn bindings<'a>(
    limits: &'a [NamedRules],
    field: &'a str,
    decisions: &[Decision],
) -> Bindings<'a> {
    let mut names = Vec::with_capacity(limits.len());
    let mut added: Vec<Item> = Vec::new();
    for (of, decision) in limits.iter().zip(decisions) {
        let rule = Rule::new(decision.limit, decision.window);
        names.push(of.name_of(rule).map_or_else(
            || {
                let is_taken = |name: &_| {
                    let is_added = added.iter().any(|item| item.name == *name);
                    is_added || limits.iter().any(|limits| limits.has_name(name))
                };
                let name = of.name_besides(rule, is_taken);
                added.push(Item { name: name.clone(), rule });
                Cow::Owned(name)
            },
            Cow::Borrowed,
        ));
    }
    let policy_field = if added.is_empty() {
        field.into()
    } else {
        joined(field.to_owned(), &policy_field(&added)).into()
    };
    Bindings { names, policy_field }
}

/// The decision that a client has to go by.
pub(super) fn most_binding(decisions: &[Decision]) -> Option<&Decision> {
    use std::cmp::Reverse;
    decisions.iter().min_by_key(|decision| {
        let is_never = decision.retry_after.is_none();
        let wait = Reverse((is_never, decision.retry_after));
        if decision.allowed { (true, None, decision.remaining) } else { (false, Some(wait), 0) }
    })
}

/// Two lists as one.
fn joined(list: String, more: &str) -> String {
    match (list.as_str(), more) {
        ("", more) => more.to_owned(),
        (_, "") => list,
        (list, more) => format!("{list}, {more}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::http::{HeaderFamily, LimitSet, NamedRules};
    use ratelog_core::{Decision, PolicyName, Rules, wire};

    fn rules(text: &str) -> NamedRules {
        NamedRules::from(&text.parse::<Rules>().unwrap())
    }

    fn policy(name: &str) -> NamedRules {
        NamedRules::from(&name.parse::<PolicyName>().unwrap())
    }

    /// Allowed, limit, remaining, retry-after and window; the log is empty after the window.
    fn decided(each: &[(i64, i64, i64, i64, i64)]) -> Vec<Decision> {
        each.iter()
            .map(|&(allowed, limit, remaining, retry_after, window)| {
                wire::decode([allowed, limit, remaining, retry_after, window, window]).unwrap()
            })
            .collect()
    }

    fn text(told: &LimitSet, family: HeaderFamily, decisions: &[Decision]) -> Vec<String> {
        let fields = told.fields(family, decisions).into_iter();
        fields.map(|(name, value)| format!("{name}: {value}")).collect()
    }

    #[test]
    fn limits_with_the_same_rules_are_told_apart() {
        let told =
            LimitSet::new([rules("5/second; 9/minute"), rules("9/minute"), rules("9/minute")]);
        let decisions =
            decided(&[(1, 9, 8, 0, 60_000), (1, 9, 7, 0, 60_000), (1, 9, 6, 0, 60_000)]);
        assert_eq!(
            text(&told, HeaderFamily::Draft11, &decisions),
            [
                "ratelimit-policy: \"5/second\";q=5;w=1, \"9/minute\";q=9;w=60, \
                 \"2:9/minute\";q=9;w=60, \"3:9/minute\";q=9;w=60",
                "ratelimit: \"9/minute\";r=8;t=60, \"2:9/minute\";r=7;t=60, \"3:9/minute\";r=6;t=60",
            ]
        );
        assert_eq!((told.len(), told.is_empty()), (3, false));
    }

    #[test]
    fn a_name_that_looks_like_a_place_is_no_trap() {
        let named = NamedRules::named(&"1/second; 2/second".parse().unwrap(), ["1/day", "2:1/day"]);
        let told = LimitSet::new([named.unwrap(), rules("1/day")]);
        assert_eq!(
            told.policy_field(),
            "\"1/day\";q=1;w=1, \"2:1/day\";q=2;w=1, \"2:2:1/day\";q=1;w=86400"
        );
    }

    #[test]
    fn a_policys_second_limit_keeps_its_names_whatever_becomes_of_the_first() {
        let told = LimitSet::new([policy("login"), policy("login")]);
        let second = (1, 5, 4, 0, 60_000);
        for (first, name) in [(second, "5/minute"), ((1, 7, 6, 0, 60_000), "7/minute")] {
            let fields = text(&told, HeaderFamily::Draft11, &decided(&[first, second]));
            let (q, r) = (first.1, first.2);
            assert_eq!(
                fields,
                [
                    format!(
                        "ratelimit-policy: \"login:{name}\";q={q};w=60, \"2:login:5/minute\";q=5;w=60"
                    ),
                    format!(
                        "ratelimit: \"login:{name}\";r={r};t=60, \"2:login:5/minute\";r=4;t=60"
                    ),
                ]
            );
        }
    }

    #[test]
    fn rules_that_neither_limit_has_get_names_of_their_own() {
        let told = LimitSet::new([rules("5/second"), rules("9/minute")]);
        let changed = (1, 7, 6, 0, 60_000);
        let fields = text(&told, HeaderFamily::Draft11, &decided(&[changed, changed]));
        assert_eq!(fields[1], "ratelimit: \"7/minute\";r=6;t=60, \"now:7/minute\";r=6;t=60");
        assert!(fields[0].ends_with("\"7/minute\";q=7;w=60, \"now:7/minute\";q=7;w=60"));
        // A rule of the other limit's is not this limit's.
        let fields = text(
            &told,
            HeaderFamily::Draft11,
            &decided(&[(1, 9, 2, 0, 60_000), (1, 9, 8, 0, 60_000)]),
        );
        assert_eq!(fields[1], "ratelimit: \"now:9/minute\";r=2;t=60, \"9/minute\";r=8;t=60");
    }

    #[test]
    fn who_waits_as_told_is_not_denied_by_the_other_limit() {
        let told = LimitSet::new([rules("5/second"), rules("9/minute"), rules("3/hour")]);
        let decisions =
            decided(&[(0, 5, 0, 900, 1_000), (0, 9, 0, 4_001, 60_000), (1, 3, 0, 0, 3_600_000)]);
        assert_eq!(
            text(&told, HeaderFamily::XRateLimit, &decisions),
            [
                "x-ratelimit-limit: 9",
                "x-ratelimit-remaining: 0",
                "x-ratelimit-reset: 5",
                "retry-after: 5"
            ]
        );
        let body: serde_json::Value = serde_json::from_str(&told.problem(&decisions)).unwrap();
        assert_eq!(body["violated-policies"], serde_json::json!(["5/second", "9/minute"]));
        assert_eq!(body["retry_after_ms"], 4_001);
    }

    #[test]
    fn nobody_is_told_to_come_back_to_what_never_passes() {
        let told = LimitSet::new([rules("5/second"), rules("9/minute")]);
        let decisions = decided(&[(0, 5, 0, 900, 1_000), (0, 9, 4, -1, 60_000)]);
        assert_eq!(
            text(&told, HeaderFamily::XRateLimit, &decisions),
            ["x-ratelimit-limit: 9", "x-ratelimit-remaining: 4", "x-ratelimit-reset: 60"]
        );
        let body: serde_json::Value = serde_json::from_str(&told.problem(&decisions)).unwrap();
        assert_eq!(body["retry_after_ms"], serde_json::Value::Null);
    }

    #[test]
    fn of_what_passes_the_least_remaining_is_told_and_of_equals_the_first() {
        let told = LimitSet::new([rules("5/second"), rules("9/minute"), rules("3/hour")]);
        let decisions =
            decided(&[(1, 5, 4, 0, 1_000), (1, 9, 2, 0, 60_000), (1, 3, 2, 0, 3_600_000)]);
        let fields = text(&told, HeaderFamily::XRateLimit, &decisions);
        assert_eq!(fields[..2], ["x-ratelimit-limit: 9", "x-ratelimit-remaining: 2"]);
        let decisions = decided(&[(0, 5, 0, 700, 1_000), (0, 9, 1, 700, 60_000)]);
        assert_eq!(text(&told, HeaderFamily::XRateLimit, &decisions)[0], "x-ratelimit-limit: 5");
    }

    #[test]
    fn an_endpoint_without_limits_tells_nothing() {
        let told = LimitSet::new([]);
        assert!(told.is_empty());
        assert_eq!(told.fields(HeaderFamily::Both, &[]), []);
        assert!(told.problem(&[]).contains(r#""violated-policies":[]"#));
    }
}
