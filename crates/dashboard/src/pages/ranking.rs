//! Lists of the heaviest keys.

use maud::{Markup, html};
use ratelog_client::command::Ranked;

use super::format;

/// A list of keys with their counts.
pub fn ranking(keys: &[Ranked], base: &str, count: usize, if_empty: &str) -> Markup {
    html! {
        @if keys.is_empty() { p.empty { (if_empty) } }
        @else {
            div.scroll { table {
                thead { tr { th { "Key" } th.number { "Checks, about" } } }
                tbody {
                    @for ranked in keys.iter().take(count) {
                        tr { td { (format::top_key(base, &ranked.key)) } td.number { (format::grouped(ranked.count)) } }
                    }
                }
            } }
        }
    }
}
