use sfv::{BareItem, List, ListEntry, Parser};
use std::time::Duration;

/// One item of a `RateLimit` field.
pub(super) struct Quota {
    /// `r`.
    pub(super) remaining: u64,
    /// `t`, where it is told.
    pub(super) reset: Option<Duration>,
}

/// The items of a `RateLimit` field that are as the draft has them; none if it is no List at all.
pub(super) fn quotas(field: &[u8]) -> Vec<Quota> {
    let entries = Parser::new(field).parse::<List>().unwrap_or_default();
    entries.iter().filter_map(quota).collect()
}

fn quota(entry: &ListEntry) -> Option<Quota> {
    let ListEntry::Item(item) = entry else { return None };
    let remaining = count(item.params.get("r")?)?;
    let reset = match item.params.get("t") {
        None => None,
        Some(seconds) => Some(Duration::from_secs(count(seconds)?)),
    };
    Some(Quota { remaining, reset })
}

fn count(value: &BareItem) -> Option<u64> {
    match value {
        BareItem::Integer(value) => u64::try_from(*value).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::quotas;

    /// `r` and `t` of each item.
    fn told(field: &str) -> Vec<(u64, Option<u64>)> {
        let told = quotas(field.as_bytes()).into_iter();
        told.map(|quota| (quota.remaining, quota.reset.map(|reset| reset.as_secs()))).collect()
    }

    #[test]
    fn an_item_has_what_is_left_and_perhaps_for_how_long() {
        assert_eq!(told(r#""a";r=0;t=5"#), [(0, Some(5))]);
        assert_eq!(told(r#""a";t=5;pk=:YQ==:;r=7, "b";r=1"#), [(7, Some(5)), (1, None)]);
        assert_eq!(told("default;r=0;t=5"), [(0, Some(5))]);
        let longest = 999_999_999_999_999;
        assert_eq!(told(&format!(r#""a";r=0;t={longest}"#)), [(0, Some(longest))]);
    }

    #[test]
    fn a_malformed_item_is_left_out() {
        for parameters in
            ["", ";t=9", ";r", ";r=-1;t=9", r#";r="0";t=9"#, ";r=0;t=9.5", ";r=0;t=-9"]
        {
            let list = format!(r#""b"{parameters}, "a";r=0;t=5"#);
            assert_eq!(told(&list), [(0, Some(5))], "{list}");
        }
        assert_eq!(told(r#"("b");r=0;t=9"#), []);
    }

    #[test]
    fn a_malformed_list_is_left_out_whole() {
        for list in [
            "",
            r#""a";r=0;t=5,"#,
            r#""a;r=0;t=5"#,
            r#""a";r=0;t=1000000000000000"#,
            "limit=10, remaining=0, reset=5",
            "\u{fffd}",
        ] {
            assert_eq!(told(list), [], "{list}");
        }
    }
}
