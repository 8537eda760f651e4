//! The list of problems.

use maud::{Markup, html};

use crate::poll::Snapshot;

/// The problems of a snapshot; nothing if there are none.
pub fn problems(snapshot: &Snapshot) -> Markup {
    html! {
        @if let Some(error) = &snapshot.discovery_error {
            p.notice.failure { "The servers cannot be found: " (error) }
        }
        @if !snapshot.problems.is_empty() {
            ul.problems.notice.warning aria-label="Problems" {
                @for problem in &snapshot.problems { li { (problem.to_string()) } }
            }
        }
        @if snapshot.nodes.is_empty() && snapshot.discovery_error.is_none() {
            p.empty { "The servers have not answered yet." }
        }
    }
}
