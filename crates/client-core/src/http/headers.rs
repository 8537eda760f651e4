use std::borrow::Cow;
use std::slice::from_ref;
use std::time::SystemTime;

use ratelog_core::Decision;
use sfv::{KeyRef, ListSerializer, StringRef, key_ref};

use super::binding_rules::{BindingRules, binding_rules, counted};
use super::integer::{integer, seconds};
use super::{HeaderFamily, NamedRules};
use crate::Source;
use crate::most_binding::most_binding_of;

/// The names of the headers, in lower case, as HTTP/2 requires.
pub mod names {
    /// One item per rule: `q` units in `w` seconds.
    pub const RATELIMIT_POLICY: &str = "ratelimit-policy";
    /// The binding rule: at most `r` units in the next `t` seconds.
    pub const RATELIMIT: &str = "ratelimit";
    /// The seconds after which a denied request is not denied again for the same reason.
    pub const RETRY_AFTER: &str = "retry-after";
    /// The binding rule's limit, in units.
    pub const X_RATELIMIT_LIMIT: &str = "x-ratelimit-limit";
    /// The units that the binding rule still allows.
    pub const X_RATELIMIT_REMAINING: &str = "x-ratelimit-remaining";
    /// The same seconds as `t` of `RateLimit`, or the Unix time in seconds at which they have passed.
    pub const X_RATELIMIT_RESET: &str = "x-ratelimit-reset";
}

/// The name of a header, one of [`names`], and its value: visible ASCII characters and spaces.
pub type Header<'a> = (&'static str, Cow<'a, str>);

/// The headers of a response to a request that got this decision from this source.
///
/// A decision with [`Source::Fallback`] counted nothing. Only `Retry-After` is written for it.
///
/// # `RateLimit-Policy` and `RateLimit`
///
/// `RateLimit-Policy` lists `rules` in order; `w` is the window in whole seconds, rounded up.
///
/// `RateLimit` has one item: the binding rule, which the decision reports. It is looked up in `rules` by limit and
/// window. An override, or a change of the rules in the server, can make a rule binding that is not in `rules`. Its
/// name is then its text (after `now:` if another rule has that name), and `RateLimit-Policy` lists it last. So
/// `RateLimit-Policy` lists every rule that `RateLimit` names.
///
/// `t` is in whole seconds, rounded up, and at least 1:
///
/// - for a denied request, the time until the same request is allowed, as in `Retry-After`. A request of lower cost may
///   be allowed earlier.
/// - for an allowed request, the time until the rule's window is empty. A client that uses at most `r` units in this
///   time is not denied by this rule. More may be allowed earlier, because units leave the window one by one, but a
///   decision does not say when.
/// - for a request that can never be allowed, the time until the window is empty, or the window if it is empty.
///
/// # `X-RateLimit-Limit`, `X-RateLimit-Remaining`, `X-RateLimit-Reset`
///
/// The binding rule's limit, `r` and `t`. The reset is in seconds from now, as in `Retry-After`: for a time of day, the
/// clocks of client and server have to agree. Only [`HeaderFamily::XRateLimitEpoch`] writes it as a time of day: the Unix
/// time in seconds, rounded up, at which `t` has passed. `now` is for this family; the others ignore it.
///
/// # `Retry-After`
///
/// With every family, if the decision is a denial that ends; see [`retry_after_seconds`].
#[must_use]
pub fn headers<'a>(
    family: HeaderFamily,
    rules: &'a NamedRules,
    decision: &Decision,
    source: Source,
    now: SystemTime,
) -> Vec<Header<'a>> {
    let decisions = [Some((*decision, source))];
    headers_of_set(family, from_ref(rules), rules.policy_header(), &decisions, now)
}

/// The headers for several decisions, at most one per element of `set`. `policy_header` lists the rules of the whole
/// set.
pub(super) fn headers_of_set<'a>(
    family: HeaderFamily,
    set: &'a [NamedRules],
    policy_header: &'a str,
    decisions: &[Option<(Decision, Source)>],
    now: SystemTime,
) -> Vec<Header<'a>> {
    let all = || decisions.iter().flatten();
    let retry_after = most_binding_of(all().map(|(decision, _)| decision)).and_then(retry_after);
    let reported = most_binding_of(all().filter_map(counted));
    let draft_11 = reported.filter(|_| family.has_draft_11()).map(|_| {
        let BindingRules { named, policy_header } = binding_rules(set, policy_header, decisions);
        let ratelimit = ratelimit_value(&named, retry_after);
        [(names::RATELIMIT_POLICY, policy_header), (names::RATELIMIT, ratelimit.into())]
    });
    let x_ratelimit = reported.filter(|_| family.has_x_ratelimit()).map(|decision| {
        let is_epoch = family == HeaderFamily::XRateLimitEpoch;
        let millis = effective_millis(decision, retry_after);
        let reset = if is_epoch { reset_time(millis, now) } else { seconds(millis) };
        [
            (names::X_RATELIMIT_LIMIT, decision.limit.units()),
            (names::X_RATELIMIT_REMAINING, decision.remaining),
            (names::X_RATELIMIT_RESET, reset),
        ]
        .map(|(name, value)| (name, integer(value).to_string().into()))
    });
    let retry_after =
        retry_after.map(|millis| (names::RETRY_AFTER, integer(seconds(millis)).to_string().into()));
    draft_11
        .into_iter()
        .flatten()
        .chain(x_ratelimit.into_iter().flatten())
        .chain(retry_after)
        .collect()
}

/// The seconds of a denied request's `Retry-After`: the decision's retry-after, rounded up, at least 1.
///
/// A client that waits this long is not denied again for the same reason. `None` for an allowed request, and for one
/// that can never be allowed.
#[must_use]
pub fn retry_after_seconds(decision: &Decision) -> Option<u64> {
    retry_after(decision).map(seconds)
}

/// The wait of a denial that ends, in milliseconds.
fn retry_after(decision: &Decision) -> Option<u64> {
    if decision.allowed { None } else { decision.retry_after }
}

/// The effective window in milliseconds: not longer than `retry_after`, the wait of the response.
fn effective_millis(decision: &Decision, retry_after: Option<u64>) -> u64 {
    let millis = match (decision.allowed, decision.retry_after) {
        (false, Some(wait)) => wait,
        // A shorter time would invite a client that can never be allowed.
        (false, None) if decision.reset_after == 0 => decision.window.millis(),
        _ => decision.reset_after,
    };
    retry_after.map_or(millis, |wait| millis.min(wait))
}

/// The Unix time in seconds at which the effective window has passed, rounded up.
fn reset_time(millis: u64, now: SystemTime) -> u64 {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    seconds(u64::try_from(now).unwrap_or(u64::MAX).saturating_add(millis.max(1)))
}

fn ratelimit_value(
    binding: &[(Cow<'_, StringRef>, &Decision)],
    retry_after: Option<u64>,
) -> String {
    const AVAILABLE: &KeyRef = key_ref("r");
    const EFFECTIVE_WINDOW: &KeyRef = key_ref("t");
    let mut list = ListSerializer::new();
    for (name, decision) in binding {
        let _ = list
            .bare_item(&**name)
            .parameter(AVAILABLE, integer(decision.remaining))
            .parameter(EFFECTIVE_WINDOW, integer(seconds(effective_millis(decision, retry_after))));
    }
    list.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use proptest::prelude::*;
    use sfv::{BareItem, Item, List, ListEntry, Parser};

    use super::headers;
    use crate::Source;
    use crate::http::{HeaderFamily, NamedRules};
    use ratelog_core::{Decision, Limit, Rule, Rules, Window};

    fn rule(limit: u32, millis: u64) -> Rule {
        Rule::new(Limit::new(limit), Window::from_millis(millis).unwrap())
    }

    /// The items of a Structured Field List: each a String with Integer parameters.
    fn items(value: &str) -> Vec<(String, Vec<(String, i64)>)> {
        let list: List = Parser::new(value).parse().unwrap();
        let item = |entry| if let ListEntry::Item(item) = entry { Some(item) } else { None };
        let integer = |value: BareItem| i64::from(value.as_integer().expect("an Integer"));
        let read = |Item { bare_item, params }| {
            let params = params.into_iter().map(|(key, value)| (key.to_string(), integer(value)));
            (bare_item.as_string().expect("a String").to_string(), params.collect())
        };
        list.into_iter().map(|entry| read(item(entry).expect("no inner list"))).collect()
    }

    fn any_rule() -> impl Strategy<Value = Rule> {
        let window = prop_oneof![1..5_000_u64, 1..=Window::MAX.millis()];
        (prop_oneof![0..20_u32, any::<u32>()], window).prop_map(|(n, millis)| rule(n, millis))
    }

    proptest! {
        #[test]
        fn the_headers_agree_with_each_other_and_with_the_decision(
            rules in prop::collection::vec(any_rule(), 1..=16),
            names in prop::collection::hash_set("[ -~]{1,12}", 16),
            named in any::<bool>(),
            binding in prop_oneof![any_rule().prop_map(Ok), any::<prop::sample::Index>().prop_map(Err)],
            allowed in any::<bool>(),
            remaining in prop_oneof![0..100_u64, any::<u64>()],
            retry_after in prop::option::of(prop_oneof![0..10_000_u64, any::<u64>()]),
            reset_after in prop_oneof![0..10_000_u64, any::<u64>()],
            now in 1_800_000_000_000..1_800_000_010_000_u64,
        ) {
            let binding = binding.unwrap_or_else(|index: prop::sample::Index| *index.get(&rules));
            let (limit, window) = (binding.limit(), binding.window());
            let decision = Decision { allowed, limit, remaining, retry_after, reset_after, window };
            let rules = Rules::new(rules).unwrap();
            let named_rules = if named {
                NamedRules::new(&rules, names.into_iter().take(rules.iter().count())).unwrap()
            } else {
                NamedRules::from(&rules)
            };
            let at = SystemTime::UNIX_EPOCH + Duration::from_millis(now);
            let module = Source::Module;
            let headers = headers(HeaderFamily::Both, &named_rules, &decision, module, at);
            let value = |wanted| headers.iter().find(|(name, _)| *name == wanted).map(|(_, v)| &**v);

            let policies = items(value("ratelimit-policy").unwrap());
            let ratelimit = items(value("ratelimit").unwrap());
            let [(name, params)] = ratelimit.as_slice() else { panic!("{ratelimit:?}") };
            let [(_, r), (_, t)] = params.as_slice() else { panic!("{params:?}") };
            prop_assert_eq!(r.unsigned_abs(), remaining.min(999_999_999_999_999));
            let same_name: Vec<_> = policies.iter().filter(|(policy, _)| policy == name).collect();
            let [(_, params)] = same_name.as_slice() else { panic!("{same_name:?}") };
            let seconds = i64::try_from(window.millis().div_ceil(1_000)).unwrap();
            let units = limit.units().cast_signed();
            prop_assert_eq!(params, &[("q".to_owned(), units), ("w".to_owned(), seconds)]);
            for rule in rules.iter() {
                let q = ("q".to_owned(), rule.limit().units().cast_signed());
                prop_assert!(policies.iter().any(|(_, params)| params[0] == q));
            }

            prop_assert!(*t >= 1);
            let span = if allowed { reset_after } else { retry_after.unwrap_or(reset_after) };
            prop_assert!(u128::from(t.unsigned_abs()) * 1_000 >= u128::from(span.min(1 << 49)));
            let retry_after_header = value("retry-after").map(|text| text.parse::<i64>().unwrap());
            prop_assert_eq!(retry_after_header, (!allowed && retry_after.is_some()).then_some(*t));
            prop_assert_eq!(value("x-ratelimit-limit"), Some(&*units.to_string()));
            prop_assert_eq!(value("x-ratelimit-remaining"), Some(&*r.to_string()));
            prop_assert_eq!(value("x-ratelimit-reset"), Some(&*t.to_string()));

            // The time is after the wait in milliseconds, and at most a second later.
            let epoch = HeaderFamily::XRateLimitEpoch;
            let epoch = super::headers(epoch, &named_rules, &decision, module, at);
            let [_, _, (_, reset), ..] = epoch.as_slice() else { panic!("{epoch:?}") };
            let end = u128::from(now) + u128::from(span.clamp(1, 1 << 49));
            let reset = reset.parse::<u128>().unwrap() * 1_000;
            prop_assert!(reset >= end);
            prop_assert!(span > 1 << 49 || reset < end + 1_000);
        }
    }
}
