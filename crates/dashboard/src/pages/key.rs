//! One key.

use axum::extract::{OriginalUri, Query, State};
use axum::response::Response;
use maud::{Markup, html};
use ratelog_client::command::{Explanation, Inspection, Override};
use ratelog_client::{DecidedBy, Decision, Rule, Rules};
use serde::Deserialize;

use super::flash::LastAction;
use super::layout::Page;
use super::{PageFailure, format};
use crate::app::App;
use crate::auth::{Identity, Viewer};
use crate::clock::unix_ms;
use crate::operations::failure::Failure;
use crate::operations::key::{self, KeyState};
use crate::operations::key_name;
use crate::operations::what_if::{RecordedUnits, WhatIf};
use crate::poll::Snapshot;

#[derive(Deserialize)]
pub struct KeyQuery {
    rules: Option<String>,
    before: Option<u64>,
    /// The limit and the window, in seconds, that are tried on the recorded units.
    limit: Option<u32>,
    window: Option<u64>,
}

/// The key in the path of a request.
pub fn key_of(app: &App, OriginalUri(uri): &OriginalUri) -> Result<Vec<u8>, Failure> {
    let rest = uri.path().strip_prefix(&*app.path("/keys/")).unwrap_or_default();
    key_name::decode(rest.split('/').next().unwrap_or_default())
}

pub async fn page(
    State(app): State<App>,
    Viewer(identity): Viewer,
    last: LastAction,
    uri: OriginalUri,
    Query(query): Query<KeyQuery>,
) -> Result<Response, PageFailure> {
    let key = key_of(&app, &uri)?;
    let text = query.rules.filter(|text| !text.trim().is_empty());
    let rules = text.as_deref().map(|text| key::parse_rule_source(text.trim())).transpose()?;
    let state = key::read(&app, &key, rules.as_ref()).await?;
    let hits = key::hits(&app, &key, query.before).await?;
    let tried = match (query.limit, query.window) {
        (Some(limit), Some(window)) => {
            let rule = key::parse_rule(limit, &window.to_string())?;
            Some((rule, key::what_if(&app, &key, &Rules::one(rule)).await?))
        }
        _ => None,
    };
    let title = key_name::show(&key);
    let page = Page {
        app: &app,
        identity: &identity,
        flash: last.0.clone(),
        title: &title,
        active: "/keys",
        is_live: false,
    };
    let view = View {
        base: &app.settings.base_path,
        path: app.path(&format!("/keys/{}", key_name::encode(&key))),
        key: &key,
        text: text.as_deref(),
        identity: &identity,
    };
    let body = html! {
        (view.copy())
        (contents(state.inspection.as_ref()))
        (view.decision(&state, &app.poller.snapshot()))
        (view.actions(state.inspection.as_ref()))
        (view.what_if(state.explanation.as_ref(), tried.as_ref()))
        (view.timeline(&hits, query.before))
    };
    Ok(LastAction::shown_in(last.0.is_some(), &app, page.render(&body)))
}

struct View<'a> {
    base: &'a str,
    path: String,
    key: &'a [u8],
    /// The rules of the query, as they were given.
    text: Option<&'a str>,
    identity: &'a Identity,
}

impl View<'_> {
    fn copy(&self) -> Markup {
        html! {
            p.toolbar {
                button.quiet type="button" data-copy=(String::from_utf8_lossy(self.key)) { "Copy key" }
                button.quiet type="button" data-copy=(key_name::percent_encoded(self.key)) { "Copy percent-encoded" }
                a href=(self.path) { "Reload" }
            }
        }
    }

    fn decision(&self, state: &KeyState, snapshot: &Snapshot) -> Markup {
        html! {
            section { h2 { "Next check" }
                form.inline action=(self.path) {
                    label { "Policy or rules"
                        input name="rules" list="policies" value=[self.text] placeholder="api or 10/second; 1000/hour" spellcheck="false" autocomplete="off";
                    }
                    datalist id="policies" { @for name in snapshot.rules.keys() { option value=(name) {} } }
                    button.quiet type="submit" { "Explain" }
                }
                @match &state.explanation {
                    None => p.empty { "Rules are not stored in a key: choose those of its checks." },
                    Some(explanation) => (explained(explanation)),
                }
            }
        }
    }

    fn actions(&self, inspection: Option<&Inspection>) -> Markup {
        let has_override = inspection.is_some_and(|found| found.key_override.is_some());
        html! {
            section { h2 { "Actions" }
                @if self.identity.is_operator() {
                    div.actions {
                        form method="post" action={ (self.path) "/reset" } data-confirm="Forget all units of this key?" {
                            button.danger type="submit" { "Reset" } span.hint { "forgets all units; an override stays" }
                        }
                        form method="post" action={ (self.path) "/refund" } {
                            label { "Units" input type="number" name="units" value="1" min="1" max="1000000" required; }
                            button.quiet type="submit" { "Refund" } span.hint { "takes back the newest units" }
                        }
                        form method="post" action={ (self.path) "/override" } {
                            (override_fields())
                            button type="submit" { @if has_override { "Change override" } @else { "Set override" } }
                        }
                        @if has_override {
                            form method="post" action={ (self.path) "/override/delete" } data-confirm="Remove the override of this key?" {
                                button.danger type="submit" { "Remove override" }
                            }
                        }
                    }
                } @else { p.empty { "You are a viewer. Operators can reset and refund the key, and override its rules." } }
            }
        }
    }

    fn what_if(&self, explanation: Option<&Explanation>, tried: Option<&(Rule, WhatIf)>) -> Markup {
        let first = explanation.and_then(|explanation| explanation.rules.first());
        let (limit, window_ms) = match (tried, first) {
            (Some((rule, _)), _) => (rule.limit().units(), u128::from(rule.window().millis())),
            (None, Some(rule)) => (rule.limit(), rule.window().as_millis()),
            (None, None) => (100, 60_000),
        };
        html! {
            section.what-if data-what-if={ (self.base) "/api/v1/keys/" (key_name::encode(self.key)) "/what-if" } {
                h2 { "What if" }
                p.hint { "How many of the recorded units another limit would have denied. Checks that were denied are not in the log, so they are not counted." }
                form.sliders action=(self.path) {
                    @if let Some(text) = self.text { input type="hidden" name="rules" value=(text); }
                    div {
                        label { "Limit" input type="number" name="limit" value=(limit) min="0" max="1000000" required; }
                        input type="range" data-scale="limit" aria-label="Limit" min="0" max="1000";
                    }
                    div {
                        label { "Window, in seconds" input type="number" name="window" value=(window_ms.div_ceil(1000)) min="1" max="31622400" required; }
                        input type="range" data-scale="window" aria-label="Window" min="0" max="1000";
                    }
                    noscript { button.quiet type="submit" { "Try" } }
                }
                output aria-live="polite" { @if let Some((_, result)) = tried { (denied(result)) } }
            }
        }
    }

    fn timeline(&self, hits: &[RecordedUnits], before: Option<u64>) -> Markup {
        html! {
            section { h2 { "Timeline" }
                @if hits.is_empty() { p.empty { "No units" @if before.is_some() { " before this instant" } "." } }
                @else {
                    p.hint data-partial hidden { "The chart counts only the units of these " (hits.len()) " instants." }
                    div.chart data-chart="usage" data-hits={ (self.base) "/api/v1/keys/" (key_name::encode(self.key)) "/hits" @if let Some(before) = before { "?before=" (before) } } {}
                    details { summary { (hits.len()) " instants, newest first" }
                        div.scroll { table {
                            thead { tr { th { "Instant" } th.number { "Units" } } }
                            tbody { @for hit in hits {
                                tr { td { (format::instant(hit.at_ms.unsigned_abs())) } td.number { (hit.units) } }
                            } }
                        } }
                    }
                    @if let Some(oldest) = hits.last().filter(|_| hits.len() >= 1_000) {
                        p { a href={ (self.path) "?before=" (oldest.at_ms) } { "Older units" } }
                    }
                }
            }
        }
    }
}

fn denied(result: &WhatIf) -> Markup {
    html! {
        @match (result.denied.first(), result.denied.last()) {
            _ if result.units == 0 => "There are no recorded units.",
            (Some(first), Some(last)) => {
                (result.denied_units) " of " (result.units) " units would have been denied, the first at "
                (format::instant(first.at_ms.unsigned_abs())) ", the last at " (format::instant(last.at_ms.unsigned_abs())) "."
            }
            _ => { "None of " (result.units) " units would have been denied." }
        }
        @if result.incomplete { " Only the newest 50,000 instants are counted." }
    }
}

fn contents(inspection: Option<&Inspection>) -> Markup {
    html! {
        section { h2 { "Log" }
            @match inspection {
                None => p.empty { "The key does not exist: it has no units and no override. It is created by its next allowed check." },
                Some(found) => dl.facts {
                    dt { "Units" } dd { (format::grouped(found.units)) }
                    @if let Some(oldest) = found.oldest { dt { "Oldest" } dd { (format::instant(unix_ms(oldest))) } }
                    @if let Some(newest) = found.newest { dt { "Newest" } dd { (format::instant(unix_ms(newest))) } }
                    dt { "Kept for" } dd { (format::window(found.retention)) }
                    dt { "Memory" } dd { (format::bytes(found.bytes)) }
                    dt { "Override" } dd { (override_text(found.key_override.as_ref())) }
                },
            }
        }
    }
}

fn override_text(key_override: Option<&Override>) -> Markup {
    html! {
        @match key_override {
            None => "none",
            Some(found) => {
                (key::describe_action(&found.action))
                @match found.ttl { None => ", without an end", Some(ttl) => { ", ends in " (format::countdown(ttl)) } }
            }
        }
    }
}

/// The fields of a form that sets an override.
pub fn override_fields() -> Markup {
    html! {
        label { "Override" select name="action" {
            option value="allow" { "allow all checks" }
            option value="deny" { "deny all checks" }
            option value="limit" { "other rules" }
        } }
        label { "Rules" input name="rules" placeholder="10/second; 1000/hour" spellcheck="false" autocomplete="off"; }
        label { "Ends after" select name="ttl" {
            option value="600" { "10 minutes" }
            option value="3600" selected { "1 hour" }
            option value="86400" { "1 day" }
            option value="604800" { "1 week" }
            option value="" { "never" }
        } }
    }
}

fn explained(explanation: &Explanation) -> Markup {
    let reason = match explanation.decided_by {
        DecidedBy::Override => "by the override",
        DecidedBy::Shadow => "because the policy is in shadow mode; its rules would deny it",
        DecidedBy::Rules => "by the rules",
    };
    html! {
        p.decision.(if explanation.decision.allowed() { "good" } else { "bad" }) {
            strong { @if explanation.decision.allowed() { "Allowed" } @else { "Denied" } }
            " " (reason) "."
            @if !explanation.decision.allowed() { " " (retry(&explanation.decision)) }
        }
        div.scroll { table {
            thead { tr { th { "Rule" } th.number { "Used" } th.number { "Remaining" } th { "Allows" } th { "Empty in" } } }
            tbody { @for (index, rule) in explanation.rules.iter().enumerate() {
                tr.decides[explanation.rule == Some(index)] {
                    td { (rule.limit()) " in " (format::window(rule.window())) @if explanation.rule == Some(index) { " (decides)" } }
                    td.number { (used_meter(rule)) " " (format::grouped(used(rule))) }
                    td.number { (format::grouped(rule.remaining())) }
                    td { @if rule.allowed() { "yes" } @else { "no. " (retry(rule)) } }
                    td { (format::wait(rule.reset_after())) }
                }
            } }
        } }
    }
}

fn used(rule: &Decision) -> u64 {
    rule.limit().saturating_sub(rule.remaining())
}

/// A bar that is green, near the limit yellow, and at the limit red.
fn used_meter(rule: &Decision) -> Markup {
    let limit = rule.limit().max(1);
    html! {
        meter aria-label="Used share of the limit" min="0" low=(limit * 4 / 5) high=(limit - 1) max=(limit) optimum="0" value=(used(rule)) {}
    }
}

fn retry(decision: &Decision) -> Markup {
    html! {
        @match decision.retry_after() {
            None => "It will never be allowed.",
            Some(wait) => { "It will be allowed in " (format::countdown(wait)) "." }
        }
    }
}
