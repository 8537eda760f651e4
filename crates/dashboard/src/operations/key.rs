//! One key: its state, its units, and what an operator does with it.

use std::time::{Duration, UNIX_EPOCH};

use ratelog_client::command::{self, Explanation, Hit, HitsOptions, Inspection, Override};
use ratelog_client::{Action, Check, Cost, Limit, PolicyName, Rule, RuleSource, Rules, Window};
use ratelog_core::OwnedRuleSource;

use super::audit::Change;
use super::counted::counted;
use super::failure::Failure;
use super::key_name;
use super::policies;
use super::what_if::{self, RecordedUnits, WhatIf};
use crate::app::App;
use crate::auth::Identity;
use crate::clock::unix_ms;

/// The units of a page of `RL.HITS`.
const PAGE: u32 = 1_000;
/// The longest time of an override, which is that of the servers.
const MAX_TTL_SECONDS: u64 = Window::MAX.millis() / 1_000;
/// The most instants that a what-if reads.
const MAX_INSTANTS: usize = 50_000;

/// The state of a key.
#[derive(Clone, Debug)]
pub struct KeyState {
    /// The key's contents; `None` if it does not exist.
    pub inspection: Option<Inspection>,
    /// The decision on the next check under the chosen rules, with its reasons.
    pub explanation: Option<Explanation>,
}

/// Parses the name of a policy, or rules such as `10/second; 1000/hour`.
///
/// # Errors
/// [`Failure::Invalid`] if the text is neither.
pub fn parse_rule_source(text: &str) -> Result<OwnedRuleSource, Failure> {
    // The name of a policy may contain a slash, and rules always do.
    match text.parse::<Rules>() {
        Ok(rules) => Ok(RuleSource::Rules(rules)),
        Err(error) => PolicyName::parse(text.as_bytes()).map(RuleSource::Policy).ok_or_else(|| {
            Failure::Invalid(format!("'{text}' is neither the name of a policy nor rules: {error}"))
        }),
    }
}

/// A rule of a limit and a window such as `60`, `60s` or `1h`.
///
/// # Errors
/// [`Failure::Invalid`] for another text.
pub fn parse_rule(limit: u32, window: &str) -> Result<Rule, Failure> {
    let window = Window::parse(window.as_bytes(), Window::MAX).ok_or_else(|| {
        Failure::Invalid(format!("window '{window}' is not a time such as 60, 60s or 1h"))
    })?;
    Ok(Rule::new(Limit::new(limit), window))
}

/// Reads a key.
///
/// # Errors
/// [`Failure::NotFound`] for an unknown policy; errors of the servers.
pub async fn read(
    app: &App,
    key: &[u8],
    rules: Option<&OwnedRuleSource>,
) -> Result<KeyState, Failure> {
    let inspection = app.viewer.query(&command::inspect(key)).await.map_err(Failure::of_read)?;
    let explanation = match rules {
        None => None,
        Some(rules) => {
            if let RuleSource::Policy(name) = rules {
                find_policy(app, name).await?;
            }
            let check = Check::new(rules.as_borrowed());
            let explain = command::explain(key, check);
            Some(app.viewer.query(&explain).await.map_err(Failure::of_read)?)
        }
    };
    Ok(KeyState { inspection, explanation })
}

/// Looks a policy up. The server would count the error of a check that names an unknown one, as it does for its callers.
async fn find_policy(app: &App, name: &PolicyName) -> Result<(), Failure> {
    let snapshot = app.poller.snapshot();
    // Nodes may differ.
    if snapshot.nodes.iter().any(|node| node.rules.contains_key(name.as_str())) {
        return Ok(());
    }
    policies::get(app, name).await.map(|_| ())
}

/// The newest units before an instant, newest first, one page.
///
/// # Errors
/// Errors of the servers.
pub async fn hits(
    app: &App,
    key: &[u8],
    before_ms: Option<u64>,
) -> Result<Vec<RecordedUnits>, Failure> {
    let mut options = HitsOptions::default().with_count(PAGE);
    if let Some(before) = before_ms {
        options = options.with_before(UNIX_EPOCH + Duration::from_millis(before));
    }
    let _read = app.begin_read().await;
    let hits = app.viewer.query(&command::hits(key, &options)).await;
    let hits = hits.map_err(Failure::of_read)?;
    Ok(hits.into_iter().map(recorded).collect())
}

/// The decisions of other rules on the key's recorded units.
///
/// # Errors
/// Errors of the servers.
pub async fn what_if(app: &App, key: &[u8], rules: &Rules) -> Result<WhatIf, Failure> {
    let _read = app.begin_read().await;
    let mut all: Vec<RecordedUnits> = Vec::new();
    let mut options = HitsOptions::default().with_count(10_000);
    let mut incomplete = false;
    loop {
        let page = app.viewer.query(&command::hits(key, &options)).await;
        let page = page.map_err(Failure::of_read)?;
        let Some(oldest) = page.last() else { break };
        options = options.with_before(oldest.at);
        let is_last = page.len() < 10_000;
        all.extend(page.into_iter().map(recorded));
        incomplete = !is_last && all.len() >= MAX_INSTANTS;
        if is_last || incomplete {
            break;
        }
    }
    all.reverse();
    let rules = rules.clone();
    tokio::task::spawn_blocking(move || WhatIf { incomplete, ..what_if::replay(&all, &rules) })
        .await
        .map_err(|error| Failure::Unavailable(error.to_string()))
}

/// Deletes the key's units. Returns their number.
///
/// # Errors
/// Errors of the servers.
pub async fn reset(app: &App, identity: &Identity, key: &[u8]) -> Result<u64, Failure> {
    let change = change("reset", key, units(app, key).await, "0 units".to_owned());
    let make = async { Ok(app.operator().await.query(&command::reset(key)).await?) };
    app.audit.run_counted(identity, change, make, |units| format!("0 units, {units} less")).await
}

/// Takes back the newest units. Returns how many.
///
/// # Errors
/// [`Failure::Invalid`] for no units; errors of the servers.
pub async fn refund(
    app: &App,
    identity: &Identity,
    key: &[u8],
    units_back: u32,
) -> Result<u64, Failure> {
    let cost = Cost::new(units_back)
        .ok_or_else(|| Failure::Invalid("the number of units is at least 1".to_owned()))?;
    let less = |units| counted(units, "unit less", "units less");
    let change = change("refund", key, units(app, key).await, less(units_back.into()));
    let make = async { Ok(app.operator().await.query(&command::refund(key, cost)).await?) };
    app.audit.run_counted(identity, change, make, less).await
}

/// Sets the key's override.
///
/// # Errors
/// Errors of the servers.
pub async fn set_override(
    app: &App,
    identity: &Identity,
    key: &[u8],
    key_override: &Override,
) -> Result<(), Failure> {
    let before = override_before(app, key).await;
    let change = change("set_override", key, before, describe_override(key_override));
    let make =
        async { Ok(app.operator().await.query(&command::set_override(key, key_override)).await?) };
    app.audit.run(identity, change, make).await
}

/// Deletes the key's override. Returns whether there was one.
///
/// # Errors
/// Errors of the servers.
pub async fn delete_override(app: &App, identity: &Identity, key: &[u8]) -> Result<bool, Failure> {
    let change = change("delete_override", key, override_before(app, key).await, "none".to_owned());
    let make = async { Ok(app.operator().await.query(&command::del_override(key)).await?) };
    app.audit.run(identity, change, make).await
}

/// An override from the fields of a form or of the API.
///
/// # Errors
/// [`Failure::Invalid`] for an unknown action, for rules where there should be none or the reverse, and for invalid rules.
pub fn parse_override(
    action: &str,
    rules: Option<&str>,
    ttl_seconds: Option<u64>,
) -> Result<Override, Failure> {
    let rules = rules.map(str::trim).filter(|text| !text.is_empty());
    let invalid = |text: &str| Failure::Invalid(text.to_owned());
    let key_override = match (action, rules) {
        ("allow", None) => Override::ALLOW,
        ("deny", None) => Override::DENY,
        ("limit", Some(text)) => Override::limit(
            text.parse().map_err(|error| Failure::Invalid(format!("rules '{text}': {error}")))?,
        ),
        ("limit", None) => {
            return Err(invalid("an override 'limit' needs rules, such as 10/second; 1000/hour"));
        }
        ("allow" | "deny", Some(_)) => {
            return Err(invalid("only an override 'limit' has rules"));
        }
        _ => return Err(invalid("action is one of allow, deny, limit")),
    };
    match ttl_seconds {
        None => Ok(key_override),
        Some(0) => {
            Err(invalid("ttl is at least 1 second; leave it out for an override without an end"))
        }
        Some(seconds) if seconds > MAX_TTL_SECONDS => {
            Err(invalid(&format!("ttl is at most {MAX_TTL_SECONDS} seconds")))
        }
        Some(seconds) => Ok(key_override.with_ttl(Duration::from_secs(seconds))),
    }
}

/// The action of an override in words.
#[must_use]
pub fn describe_action(action: &Action) -> String {
    match action {
        Action::Allow => "allow".to_owned(),
        Action::Deny => "deny".to_owned(),
        Action::Limit(rules) => format!("limit {rules}"),
    }
}

/// An override in words: its action, and the time until it ends.
#[must_use]
pub fn describe_override(key_override: &Override) -> String {
    let action = describe_action(&key_override.action);
    match key_override.ttl {
        None => format!("{action}, without an end"),
        Some(ttl) => format!("{action}, for {} s", ttl.as_secs()),
    }
}

fn change(action: &'static str, key: &[u8], before: String, after: String) -> Change {
    Change { action, target: key_name::encode(key), before, after }
}

async fn units(app: &App, key: &[u8]) -> String {
    match app.viewer.query(&command::inspect(key)).await {
        Ok(inspection) => counted(inspection.map_or(0, |found| found.units), "unit", "units"),
        Err(_) => "not read".to_owned(),
    }
}

async fn override_before(app: &App, key: &[u8]) -> String {
    match app.viewer.query(&command::get_override(key)).await {
        Ok(None) => "none".to_owned(),
        Ok(Some(key_override)) => describe_override(&key_override),
        Err(_) => "not read".to_owned(),
    }
}

fn recorded(hit: Hit) -> RecordedUnits {
    RecordedUnits { at_ms: unix_ms(hit.at).try_into().unwrap_or(i64::MAX), units: hit.units }
}

#[cfg(test)]
mod tests {
    use ratelog_client::RuleSource;

    use super::{describe_override, parse_override, parse_rule_source};
    use crate::operations::failure::Failure;

    #[test]
    fn overrides_are_parsed_and_described() {
        let describe = |action, rules, ttl| {
            parse_override(action, rules, ttl).map(|parsed| describe_override(&parsed))
        };
        assert_eq!(describe("allow", None, None).unwrap(), "allow, without an end");
        assert_eq!(describe("deny", Some(" "), Some(60)).unwrap(), "deny, for 60 s");
        assert!(describe("deny", None, Some(316_224_000)).is_ok());
        assert_eq!(
            describe("limit", Some("10/second"), Some(1)).unwrap(),
            "limit 10/second, for 1 s"
        );
        for (action, rules, ttl) in [
            ("ban", None, None),
            ("allow", Some("1/second"), None),
            ("limit", None, None),
            ("limit", Some("1 per fortnight"), None),
            ("deny", None, Some(0)),
            ("deny", None, Some(316_224_001)),
        ] {
            let failure = describe(action, rules, ttl).unwrap_err();
            assert!(matches!(failure, Failure::Invalid(_)), "{failure:?}");
        }
    }

    #[test]
    fn rules_and_names_of_policies_differ() {
        assert!(matches!(parse_rule_source("10/second"), Ok(RuleSource::Rules(_))));
        assert!(matches!(parse_rule_source("api/search"), Ok(RuleSource::Policy(_))));
        assert!(parse_rule_source("a b").is_err());
        assert!(parse_rule_source("").is_err());
    }
}
