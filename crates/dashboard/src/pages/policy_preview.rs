//! A change of a policy before it is made: what it replaces, and what it would have decided.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::layout::Page;
use super::policies::diff_table;
use super::{PageFailure, format};
use crate::app::App;
use crate::auth::Viewer;
use crate::operations::counted::counted;
use crate::operations::failure::Failure;
use crate::operations::policies::{self, PolicyChange};
use crate::operations::policy_sample::{self, Sample};

#[derive(Deserialize)]
pub struct PreviewQuery {
    name: String,
    rules: String,
    mode: String,
    #[serde(rename = "match")]
    pattern: Option<String>,
}

pub async fn page(
    State(app): State<App>,
    Viewer(identity): Viewer,
    Query(query): Query<PreviewQuery>,
) -> Result<Response, PageFailure> {
    let base = &*app.settings.base_path;
    let name = policies::parse_name(query.name.trim())?;
    let policy = policies::parse(&query.rules, &query.mode)?;
    let before = match policies::get(&app, &name).await {
        Ok(before) => Some(before),
        Err(Failure::NotFound(_)) => None,
        Err(failure) => return Err(failure.into()),
    };
    let pattern = query.pattern.as_deref().filter(|pattern| !pattern.is_empty());
    let sample = policy_sample::what_if(&app, &policy.rules, pattern).await;
    let is_changed = before.as_ref() != Some(&policy);
    let change = PolicyChange {
        name: name.to_string(),
        before: before.as_ref().map(policies::describe),
        after: Some(policies::describe(&policy)),
    };
    let title = format!("Change of {name}");
    let page = Page {
        app: &app,
        identity: &identity,
        flash: None,
        title: &title,
        active: "/policies",
        is_live: false,
    };
    let fields = html! {
        input type="hidden" name="name" value=(name);
        input type="hidden" name="rules" value=(policy.rules);
        input type="hidden" name="mode" value=(query.mode);
    };
    let body = html! {
        @if is_changed { (diff_table(&[change], ["Now", "After"])) } @else { p.empty { "The policy is so already." } }
        @if identity.is_operator() && is_changed {
            form.inline method="post" action={ (base) "/policies" } {
                (fields)
                input type="hidden" name="seen" value=(policies::seen(before.as_ref()));
                button type="submit" { @if before.is_some() { "Apply" } @else { "Create" } }
            }
        }
        section { h2 { "What if" }
            p.hint { "The units in the logs of some keys, under the new rules. Checks that were denied are not in a log, so they are not counted." }
            form.inline action={ (base) "/policies/preview" } {
                (fields)
                label { "Keys" input name="match" value=[pattern] placeholder="the keys with the most checks" spellcheck="false" autocomplete="off"; }
                button.quiet type="submit" { "Try on these keys" }
            }
            @match &sample {
                Ok(sample) => (sample_table(sample, base)),
                Err(failure) => p.notice.failure role="alert" { (failure.detail()) },
            }
        }
        p { a href={ (base) "/policies" } { "Back to the policies" } }
    };
    Ok(page.render(&body).into_response())
}

fn sample_table(sample: &Sample, base: &str) -> Markup {
    html! {
        @if sample.unreadable > 0 { p.hint { (counted(sample.unreadable, "key is", "keys are")) " left out: the dashboard may not read them, or they hold something else." } }
        @if sample.keys.is_empty() { p.empty { "No such key has units." } }
        @else {
            p { (format::grouped(sample.denied_units)) " of " (format::grouped(sample.units)) " units would have been denied." @if sample.incomplete { " Of each key, only the newest 50,000 instants are counted." } }
            div.scroll { table {
                thead { tr { th { "Key" } th.number { "Units" } th.number { "Denied" } } }
                tbody { @for sampled in &sample.keys {
                    tr {
                        td { (format::key_link(base, &sampled.name)) }
                        td.number { (format::grouped(sampled.units)) }
                        td.number { (format::grouped(sampled.denied_units)) }
                    }
                } }
            } }
        }
    }
}
