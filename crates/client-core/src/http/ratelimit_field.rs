use sfv::{BareItem, List, ListEntry, Parser};
use std::time::Duration;

/// One item of the `RateLimit` header.
pub(super) struct RateLimitItem {
    /// The parameter `r`.
    pub(super) remaining: u64,
    /// The parameter `t`, if the item has one.
    pub(super) reset: Option<Duration>,
}

/// Parses the value of `RateLimit`. Malformed items are omitted; a malformed list is empty.
pub(super) fn parse(value: &[u8]) -> Vec<RateLimitItem> {
    let entries = Parser::new(value).parse::<List>().unwrap_or_default();
    entries.iter().filter_map(item).collect()
}

fn item(entry: &ListEntry) -> Option<RateLimitItem> {
    let ListEntry::Item(item) = entry else { return None };
    let remaining = non_negative(item.params.get("r")?)?;
    let reset = match item.params.get("t") {
        None => None,
        Some(seconds) => Some(Duration::from_secs(non_negative(seconds)?)),
    };
    Some(RateLimitItem { remaining, reset })
}

fn non_negative(value: &BareItem) -> Option<u64> {
    match value {
        BareItem::Integer(value) => u64::try_from(*value).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    /// `r` and `t` of each item.
    fn items(value: &str) -> Vec<(u64, Option<u64>)> {
        let items = parse(value.as_bytes()).into_iter();
        items.map(|item| (item.remaining, item.reset.map(|reset| reset.as_secs()))).collect()
    }

    #[test]
    fn an_item_may_have_other_parameters_in_any_order() {
        assert_eq!(items(r#""a";t=5;pk=:YQ==:;r=7, "b";r=1"#), [(7, Some(5)), (1, None)]);
    }

    #[test]
    fn the_longest_reset_has_fifteen_digits() {
        let longest = 999_999_999_999_999;
        assert_eq!(items(&format!(r#""a";r=0;t={longest}"#)), [(0, Some(longest))]);
    }

    #[test]
    fn an_inner_list_is_omitted_and_a_malformed_list_is_empty() {
        for list in [r#"("b");r=0;t=9"#, "", "\u{fffd}"] {
            assert_eq!(items(list), [], "{list}");
        }
    }
}
