//! The overview: what happens now.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::flash::LastAction;
use super::layout::{Page, live_region};
use super::node_table::node_table;
use super::problems::problems;
use super::ranking::ranking;
use super::{LivePage, format, render_live};
use crate::app::App;
use crate::auth::Viewer;
use crate::poll::{NodeState, RuleDenials, Snapshot};

/// The policies that the overview lists.
const MAX_POLICIES: usize = 50;

pub async fn page(State(app): State<App>, Viewer(identity): Viewer, last: LastAction) -> Response {
    let base = &*app.settings.base_path;
    let snapshot = app.poller.snapshot();
    let live = render_live(LivePage::Overview, &snapshot, base);
    let page = Page {
        app: &app,
        identity: &identity,
        flash: last.0.clone(),
        title: "Overview",
        active: "/overview",
        is_live: true,
    };
    let body = html! {
        section.charts aria-label="Checks a second" {
            div.toolbar {
                h2 { "Checks a second" }
                div.switch role="group" aria-label="Range" {
                    button.quiet type="button" data-range="15m" aria-pressed="true" { "15 minutes" }
                    button.quiet type="button" data-range="24h" aria-pressed="false" { "24 hours" }
                }
            }
            div.chart data-chart="checks" data-history={ (base) "/api/v1/overview/history" } {}
        }
        (live_region(base, "overview", &live))
    };
    LastAction::shown_in(last.0.is_some(), &app, page.render(&body))
}

/// The part that each poll renders again.
pub fn live(snapshot: &Snapshot, base: &str) -> Markup {
    html! {
        (problems(snapshot))
        section.tiles aria-label="Rates of the last seconds" {
            (tile("Checks", &format::rate(snapshot.rate.checks()), "a second"))
            (tile("Allowed", &format::rate(snapshot.rate.allowed), "a second"))
            (tile("Denied", &format::rate(snapshot.rate.denied), "a second"))
            (tile("Denied", &format::percent(snapshot.rate.denial_ratio()), "of all checks"))
            (tile("Near their limit", &format::percent(snapshot.rate.near_ratio()), "of all checks"))
            (tile("Shadow-denied", &format::rate(snapshot.rate.shadow_denied), "a second"))
            (tile("By an override", &format::rate(snapshot.rate.overridden), "a second"))
        }
        @if snapshot.rate.checks() <= 0.0 && snapshot.nodes.iter().any(|node| node.state == NodeState::Up) {
            p.empty { "No checks in the last seconds. The dashboard counts " code { "RL.CHECK" } " and " code { "RL.MCHECK" } " of all clients." }
        }
        (policies(snapshot, base))
        div.columns {
            section {
                h2 { "Keys denied most" }
                (ranking(&snapshot.top_denied, base, 10, "No check was denied in the last minutes."))
            }
            section {
                h2 { "Keys checked most" }
                (ranking(&snapshot.top_checked, base, 10, "No key was checked in the last minutes."))
            }
        }
        section {
            h2 { "Nodes" }
            (node_table(snapshot))
        }
    }
}

fn tile(name: &str, value: &str, unit: &str) -> Markup {
    html! { div.tile { span.name { (name) } strong { (value) } span.unit { (unit) } } }
}

fn policies(snapshot: &Snapshot, base: &str) -> Markup {
    html! {
        section {
            h2 { "Policies" }
            @if snapshot.policies.is_empty() {
                p.empty { "No policy has been used since the servers started. " a href={ (base) "/policies" } { "Policies" } " lists those that there are." }
            } @else {
                div.scroll { table {
                    thead { tr { th { "Policy" } th.number { "Checks/s" } th.number { "Denied/s" } th.number { "Denied" } th.number { "Near" } th { "Denied by rule, since the servers started" } } }
                    tbody {
                        @for policy in snapshot.policies.iter().take(MAX_POLICIES) {
                            tr id={ "policy-" (policy.name) } {
                                td { a href={ (base) "/policy?name=" (policy.name) } { (policy.name) } }
                                td.number { (format::rate(policy.rate.checks())) }
                                td.number { (format::rate(policy.rate.denied_with_shadow())) }
                                td.number { (format::percent(policy.rate.denial_ratio_with_shadow())) }
                                td.number { (format::percent(policy.rate.near_ratio())) }
                                td { (denied_by_rule(&policy.rules)) }
                            }
                        }
                    }
                } }
            }
        }
    }
}

/// The counts of a policy's rules.
fn denied_by_rule(rules: &[RuleDenials]) -> Markup {
    html! {
        @for RuleDenials { index, rule, denied } in rules {
            span.rule {
                @match rule { Some(rule) => (rule), None => { "rule " (index + 1) } }
                ": " strong { (format::grouped(*denied)) }
            } " "
        }
    }
}
