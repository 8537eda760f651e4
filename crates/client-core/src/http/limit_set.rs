use std::time::SystemTime;

use ratelog_core::Decision;

use super::binding_rules::join;
use super::headers::headers_of_set;
use super::problem::problem_of_set;
use super::{Header, HeaderFamily, NamedRules};
use crate::Source;

/// The limits that apply to an endpoint, each with its own decision, and the headers that report them together.
///
/// Create it from all limits of the endpoint, also for a response that reports only some of them: a limit then has the
/// same name in every response.
///
/// The names of all rules differ. If a limit has a name or a policy of an earlier limit, the names of all its rules get
/// its position as a prefix, such as `2:100/minute` for the second limit.
///
/// ```
/// use ratelog_client_core::Source;
/// use ratelog_client_core::http::{HeaderFamily, LimitSet, NamedRules};
/// use ratelog_core::{Decision, Limit, Rule, Rules, Window};
/// use std::time::SystemTime;
///
/// let [user, everyone] = [10, 1_000].map(|limit| {
///     Rule::new(Limit::new(limit), Window::from_millis(60_000).unwrap())
/// });
/// let set = LimitSet::new([user, everyone].map(|rule| NamedRules::from(&Rules::one(rule))));
/// let decisions = [(user, 9), (everyone, 0)].map(|(rule, remaining)| {
///     let decision = Decision {
///         allowed: true,
///         limit: rule.limit(),
///         remaining,
///         retry_after: Some(0),
///         reset_after: 60_000,
///         window: rule.window(),
///     };
///     Some((decision, Source::Module))
/// });
/// let headers = set.headers(HeaderFamily::Draft11, &decisions, SystemTime::now());
/// assert_eq!(headers[0].1, r#""10/minute";q=10;w=60, "1000/minute";q=1000;w=60"#);
/// assert_eq!(headers[1].1, r#""10/minute";r=9;t=60, "1000/minute";r=0;t=60"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSet {
    limits: Vec<NamedRules>,
    policy_header: String,
}

impl LimitSet {
    /// The limits of an endpoint, in order.
    #[must_use]
    pub fn new(limits: impl IntoIterator<Item = NamedRules>) -> Self {
        let mut set: Vec<NamedRules> = Vec::new();
        for mut rules in limits {
            while set.iter().any(|earlier| earlier.conflicts_with(&rules)) {
                rules = rules.with_prefix(set.len() + 1);
            }
            set.push(rules);
        }
        let policy_header = set.iter().map(NamedRules::policy_header).fold(String::new(), join);
        Self { limits: set, policy_header }
    }

    /// The number of limits.
    #[must_use]
    pub fn len(&self) -> usize {
        self.limits.len()
    }

    /// Whether there are no limits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// The value of `RateLimit-Policy` that lists the rules of all limits; empty if no rules are known.
    #[must_use]
    pub fn policy_header(&self) -> &str {
        &self.policy_header
    }

    /// The headers of a response, as in [`headers`](super::headers()). Takes one decision with its source per limit, in
    /// order; `None` if there is none, for example because a cached denial of another limit denied the request.
    ///
    /// `RateLimit-Policy` lists the rules of all limits. `RateLimit` has one item per decision that counted: its binding
    /// rule. `Retry-After` is the longest retry-after of the denials; if one of them never ends, there is none. So a client
    /// that waits for it is not denied again for any of the reasons. No `t` and no reset is later, also of a limit that
    /// allowed the request and whose window is longer. The `X-RateLimit` headers report one decision that counted: the
    /// denial with the longest retry-after, or, if all are allowed, the decision with the least remaining; the first wins a
    /// tie.
    ///
    /// A decision with [`Source::Fallback`] counted nothing: it is in `Retry-After` only. If no decision counted, there are
    /// no other headers.
    #[must_use]
    pub fn headers(
        &self,
        family: HeaderFamily,
        decisions: &[Option<(Decision, Source)>],
        now: SystemTime,
    ) -> Vec<Header<'_>> {
        headers_of_set(family, &self.limits, &self.policy_header, decisions, now)
    }

    /// The body of a 429 response, as in [`problem`](super::problem()). Takes the same decisions as
    /// [`headers`](Self::headers).
    ///
    /// `violated-policies` has the binding rules of all denials that counted; it is empty if only fixed fallbacks denied.
    /// `retry_after_ms` is the longest wait of all denials.
    #[must_use]
    pub fn problem(&self, decisions: &[Option<(Decision, Source)>]) -> String {
        problem_of_set(&self.limits, &self.policy_header, decisions)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use ratelog_core::{Decision, PolicyName, Rules, wire};

    use crate::Source;
    use crate::http::{HeaderFamily, LimitSet, NamedRules};

    fn rules(text: &str) -> NamedRules {
        NamedRules::from(&text.parse::<Rules>().unwrap())
    }

    fn policy(name: &str) -> NamedRules {
        NamedRules::from(&name.parse::<PolicyName>().unwrap())
    }

    /// Decisions with these values of allowed, limit, remaining, retry-after and window; reset-after equals the window.
    fn decode_all(each: &[(i64, i64, i64, i64, i64)]) -> Vec<Option<(Decision, Source)>> {
        each.iter()
            .map(|&(allowed, limit, remaining, retry_after, window)| {
                let integers = [allowed, limit, remaining, retry_after, window, window];
                Some((wire::decode(integers).unwrap(), Source::Module))
            })
            .collect()
    }

    fn lines(
        set: &LimitSet,
        family: HeaderFamily,
        decisions: &[Option<(Decision, Source)>],
    ) -> Vec<String> {
        let headers = set.headers(family, decisions, SystemTime::UNIX_EPOCH).into_iter();
        headers.map(|(name, value)| format!("{name}: {value}")).collect()
    }

    #[test]
    fn a_name_that_looks_like_a_prefix_causes_no_conflict() {
        let named = NamedRules::new(&"1/second; 2/second".parse().unwrap(), ["1/day", "2:1/day"]);
        let set = LimitSet::new([named.unwrap(), rules("1/day")]);
        assert_eq!(
            set.policy_header(),
            "\"1/day\";q=1;w=1, \"2:1/day\";q=2;w=1, \"2:2:1/day\";q=1;w=86400"
        );
    }

    #[test]
    fn the_names_of_a_policys_second_limit_do_not_depend_on_the_first() {
        let set = LimitSet::new([policy("login"), policy("login")]);
        let second = (1, 5, 4, 0, 60_000);
        for (first, name) in [(second, "5/minute"), ((1, 7, 6, 0, 60_000), "7/minute")] {
            let headers = lines(&set, HeaderFamily::Draft11, &decode_all(&[first, second]));
            let (q, r) = (first.1, first.2);
            assert_eq!(
                headers,
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
    fn unlisted_rules_get_different_names() {
        let set = LimitSet::new([rules("5/second"), rules("9/minute")]);
        let changed = (1, 7, 6, 0, 60_000);
        let headers = lines(&set, HeaderFamily::Draft11, &decode_all(&[changed, changed]));
        assert_eq!(headers[1], "ratelimit: \"7/minute\";r=6;t=60, \"now:7/minute\";r=6;t=60");
        assert!(headers[0].ends_with("\"7/minute\";q=7;w=60, \"now:7/minute\";q=7;w=60"));
        // A rule that only the other limit lists.
        let headers = lines(
            &set,
            HeaderFamily::Draft11,
            &decode_all(&[(1, 9, 2, 0, 60_000), (1, 9, 8, 0, 60_000)]),
        );
        assert_eq!(headers[1], "ratelimit: \"now:9/minute\";r=2;t=60, \"9/minute\";r=8;t=60");
    }

    #[test]
    fn the_first_of_equal_denials_is_reported() {
        let set = LimitSet::new([rules("5/second"), rules("9/minute")]);
        assert_eq!((set.len(), set.is_empty()), (2, false));
        let decisions = decode_all(&[(0, 5, 0, 700, 1_000), (0, 9, 1, 700, 60_000)]);
        assert_eq!(lines(&set, HeaderFamily::XRateLimit, &decisions)[0], "x-ratelimit-limit: 5");
    }

    #[test]
    fn without_limits_or_decisions_there_are_no_headers() {
        let set = LimitSet::new([]);
        assert!(set.is_empty());
        assert_eq!(set.headers(HeaderFamily::Both, &[], SystemTime::UNIX_EPOCH), []);
        let undecided = LimitSet::new([rules("5/second")]);
        assert_eq!(undecided.headers(HeaderFamily::Both, &[None], SystemTime::UNIX_EPOCH), []);
        assert!(set.problem(&[]).contains(r#""violated-policies":[]"#));
    }
}
