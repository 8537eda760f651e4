use std::borrow::Cow;
use std::slice::from_ref;

use sfv::{Integer, KeyRef, ListSerializer, StringRef, key_ref};

use super::limit_set::{Bindings, bindings, most_binding};
use super::{HeaderFamily, NamedRules};
use ratelog_core::Decision;

/// The names of the fields, in lower case: HTTP does not tell case apart, and HTTP/2 has no other.
pub mod names {
    /// The rules of a route, an item each: `q` units in `w` seconds.
    pub const RATELIMIT_POLICY: &str = "ratelimit-policy";
    /// The binding rule: no more than `r` units in the next `t` seconds.
    pub const RATELIMIT: &str = "ratelimit";
    /// Seconds after which a denied request is not denied again for the same reason.
    pub const RETRY_AFTER: &str = "retry-after";
    /// The binding rule's limit, in units.
    pub const X_RATELIMIT_LIMIT: &str = "x-ratelimit-limit";
    /// The units that the binding rule would still let through.
    pub const X_RATELIMIT_REMAINING: &str = "x-ratelimit-remaining";
    /// Seconds, as the `t` of `RateLimit`; not a time of day.
    pub const X_RATELIMIT_RESET: &str = "x-ratelimit-reset";
}

/// The name of a field, one of [`names`], and its value: visible ASCII and spaces.
pub type Field<'a> = (&'static str, Cow<'a, str>);

/// The fields of a response to a request of this decision.
///
/// # `RateLimit-Policy` and `RateLimit`
///
/// `RateLimit-Policy` lists the rules of `limits` in their order; `w` is the window in whole seconds, rounded up.
/// `RateLimit` tells of the binding rule, the one that the decision speaks of, and of no other. It is found among
/// `limits` by limit and window. Where it is none of them, because an operator overrode the key or the rules were
/// changed in the server, it is named by its text (after `now:`, should another rule have that name) and listed in
/// `RateLimit-Policy` after the others: whatever `RateLimit` names is listed.
///
/// `t` is whole seconds, rounded up, at least 1:
///
/// - of a denied request, the time until it would pass, as in `Retry-After`. Before that there may be room for a request
///   of less cost, never for this one.
/// - of an allowed one, the time until the rule's window is empty: the whole window, once units are recorded. A client
///   that uses no more than `r` in this time is not denied by this rule. There may be room before, since units leave
///   the window one by one, but a decision does not tell when the next one does.
/// - of one that can never pass, likewise the time until the window is empty.
///
/// # `X-RateLimit-Limit`, `X-RateLimit-Remaining`, `X-RateLimit-Reset`
///
/// The binding rule's limit, its `r` and its `t`. The reset is seconds from now, as `Retry-After` is, and not a time of
/// day, for which the clocks of client and server would have to agree.
///
/// # `Retry-After`
///
/// With any family, where the decision denies and [`retry_after`] tells a time.
#[must_use]
pub fn fields<'a>(
    family: HeaderFamily,
    limits: &'a NamedRules,
    decision: &Decision,
) -> Vec<Field<'a>> {
    of_several(family, from_ref(limits), limits.field(), from_ref(decision))
}

/// The fields of a decision for each of `limits`, which `field` lists.
pub(super) fn of_several<'a>(
    family: HeaderFamily,
    limits: &'a [NamedRules],
    field: &'a str,
    decisions: &[Decision],
) -> Vec<Field<'a>> {
    let Some(decision) = most_binding(decisions) else { return Vec::new() };
    let draft_11 = family.has_draft_11().then(|| {
        let Bindings { names, policy_field } = bindings(limits, field, decisions);
        let limit = service_limits(names.iter().map(|name| &**name).zip(decisions));
        [(names::RATELIMIT_POLICY, policy_field), (names::RATELIMIT, limit.into())]
    });
    let x_ratelimit = family.has_x_ratelimit().then(|| {
        [
            (names::X_RATELIMIT_LIMIT, decision.limit.units()),
            (names::X_RATELIMIT_REMAINING, decision.remaining),
            (names::X_RATELIMIT_RESET, effective_window(decision)),
        ]
        .map(|(name, value)| (name, integer(value).to_string().into()))
    });
    let retry_after = retry_after(decision)
        .map(|seconds| (names::RETRY_AFTER, integer(seconds).to_string().into()));
    draft_11
        .into_iter()
        .flatten()
        .chain(x_ratelimit.into_iter().flatten())
        .chain(retry_after)
        .collect()
}

/// The seconds of a denied request's `Retry-After`: the decision's time rounded up, at least 1.
///
/// A client that waits that long is not denied again for the same reason. `None` for an allowed request, and for one
/// that can never pass.
#[must_use]
pub fn retry_after(decision: &Decision) -> Option<u64> {
    if decision.allowed { None } else { decision.retry_after.map(seconds) }
}

fn effective_window(decision: &Decision) -> u64 {
    retry_after(decision).unwrap_or_else(|| seconds(decision.reset_after))
}

fn service_limits<'a>(binding: impl Iterator<Item = (&'a StringRef, &'a Decision)>) -> String {
    const AVAILABLE: &KeyRef = key_ref("r");
    const EFFECTIVE_WINDOW: &KeyRef = key_ref("t");
    let mut list = ListSerializer::new();
    for (name, decision) in binding {
        let _ = list
            .bare_item(name)
            .parameter(AVAILABLE, integer(decision.remaining))
            .parameter(EFFECTIVE_WINDOW, integer(effective_window(decision)));
    }
    list.finish().unwrap_or_default()
}

/// Whole seconds, rounded up so that no span is told shorter than it is, and none as nothing.
pub(super) fn seconds(millis: u64) -> u64 {
    millis.div_ceil(1_000).max(1)
}

/// The Integer of `value`; RFC 9651 has none of more than fifteen digits.
pub(super) fn integer(value: u64) -> Integer {
    Integer::try_from(value).unwrap_or(Integer::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sfv::{BareItem, Item, List, ListEntry, Parser};

    use super::fields;
    use crate::http::{HeaderFamily, NamedRules};
    use ratelog_core::{Decision, Limit, Rule, Rules, Window};

    fn rule(limit: u32, millis: u64) -> Rule {
        Rule::new(Limit::new(limit).unwrap(), Window::from_millis(millis).unwrap())
    }

    /// The items of a Structured Field List: each a String and its parameters, all of them Integers.
    fn items(field: &str) -> Vec<(String, Vec<(String, i64)>)> {
        let list: List = Parser::new(field).parse().unwrap();
        let item = |entry| if let ListEntry::Item(item) = entry { Some(item) } else { None };
        let integer = |value: BareItem| i64::from(value.as_integer().expect("an Integer"));
        let told = |Item { bare_item, params }| {
            let params = params.into_iter().map(|(key, value)| (key.to_string(), integer(value)));
            (bare_item.as_string().expect("a String").to_string(), params.collect())
        };
        list.into_iter().map(|entry| told(item(entry).expect("no inner list"))).collect()
    }

    fn any_rule() -> impl Strategy<Value = Rule> {
        let window = prop_oneof![1..5_000_u64, 1..=Window::MAX.millis()];
        (prop_oneof![1..20_u32, 1..=u32::MAX], window).prop_map(|(n, millis)| rule(n, millis))
    }

    proptest! {
        #[test]
        fn the_fields_agree_with_each_other_and_with_the_decision(
            rules in prop::collection::vec(any_rule(), 1..=16),
            names in prop::collection::hash_set("[ -~]{1,12}", 16),
            named in any::<bool>(),
            binding in prop_oneof![any_rule().prop_map(Ok), any::<prop::sample::Index>().prop_map(Err)],
            allowed in any::<bool>(),
            remaining in prop_oneof![0..100_u64, any::<u64>()],
            retry_after in prop::option::of(prop_oneof![0..10_000_u64, any::<u64>()]),
            reset_after in prop_oneof![0..10_000_u64, any::<u64>()],
        ) {
            let binding = binding.unwrap_or_else(|index: prop::sample::Index| *index.get(&rules));
            let (limit, window) = (binding.limit(), binding.window());
            let decision = Decision { allowed, limit, remaining, retry_after, reset_after, window };
            let rules = Rules::new(rules).unwrap();
            let limits = if named {
                NamedRules::named(&rules, names.into_iter().take(rules.iter().count())).unwrap()
            } else {
                NamedRules::from(&rules)
            };
            let fields = fields(HeaderFamily::Both, &limits, &decision);
            let value = |wanted| fields.iter().find(|(name, _)| *name == wanted).map(|(_, v)| &**v);

            let policies = items(value("ratelimit-policy").unwrap());
            let limits_told = items(value("ratelimit").unwrap());
            let [(name, params)] = limits_told.as_slice() else { panic!("{limits_told:?}") };
            let [(_, r), (_, t)] = params.as_slice() else { panic!("{params:?}") };
            prop_assert_eq!(r.unsigned_abs(), remaining.min(999_999_999_999_999));
            let named_so: Vec<_> = policies.iter().filter(|(policy, _)| policy == name).collect();
            let [(_, params)] = named_so.as_slice() else { panic!("{named_so:?}") };
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
            let waits = value("retry-after").map(|text| text.parse::<i64>().unwrap());
            prop_assert_eq!(waits, (!allowed && retry_after.is_some()).then_some(*t));
            prop_assert_eq!(value("x-ratelimit-limit"), Some(&*units.to_string()));
            prop_assert_eq!(value("x-ratelimit-remaining"), Some(&*r.to_string()));
            prop_assert_eq!(value("x-ratelimit-reset"), Some(&*t.to_string()));
        }
    }
}
