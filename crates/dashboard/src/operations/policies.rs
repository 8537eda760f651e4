//! The policies, and changes of them.

use ratelog_client::command;
use ratelog_client::{Mode, Policy, PolicyName};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::audit::Change;
use super::failure::Failure;
use super::key_name;
use super::known_nodes::known_nodes;
use super::policy_document::{self, Policies};
use super::policy_nodes::{self, NodeOutcome};
use crate::app::App;
use crate::auth::Identity;

/// The most bytes of a request with a document. That of 10,000 policies with 16 rules each, as a form, has less.
pub const MAX_DOCUMENT: usize = 32 << 20;

/// The state before a change that could not be read.
const NOT_READ: &str = "not read";
/// The error if the policies are not those that the user of a change saw.
pub(super) const CHANGED_SINCE_SEEN: &str =
    "The policies have changed since you saw them: look at the changes again";

/// A policy that a document adds, changes or removes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PolicyChange {
    /// The policy's name.
    pub name: String,
    /// The policy now, in words; nothing if it is new.
    pub before: Option<String>,
    /// The policy after the change; nothing if it is removed.
    pub after: Option<String>,
}

/// The changes that an import would make.
#[derive(Debug, Serialize, ToSchema)]
pub struct Diff {
    /// The policies that it changes.
    pub changes: Vec<PolicyChange>,
    /// A digest of all policies now, with which [`import`] rejects a document if they have changed since.
    pub seen: String,
}

/// All policies, as the first primary that answers has them.
///
/// # Errors
/// Errors of the servers.
pub async fn list(app: &App) -> Result<Policies, Failure> {
    let mut failure = Failure::Unavailable("no server is known".to_owned());
    for node in known_nodes(&app.viewer).await?.iter().filter(|node| node.is_primary()) {
        match node.query(&command::export_policies()).await {
            Ok(json) => return policy_document::parse(&json).map_err(Failure::Rejected),
            Err(error) => failure = Failure::of_read(error),
        }
    }
    Err(failure)
}

/// A policy.
///
/// # Errors
/// [`Failure::NotFound`] if there is none of this name; errors of the servers.
pub async fn get(app: &App, name: &PolicyName) -> Result<Policy, Failure> {
    let found = list(app).await?.remove(name);
    found.ok_or_else(|| Failure::NotFound(format!("there is no policy '{name}'")))
}

/// Sets a policy on every primary, unless it is not as its user saw it: `seen` is what [`seen`] returned then.
///
/// Returns the outcome on each.
///
/// # Errors
/// [`Failure::Rejected`] if the policy is another one now; that of a node, if it failed on all of them.
pub async fn set(
    app: &App,
    identity: &Identity,
    name: &PolicyName,
    policy: &Policy,
    seen: Option<&str>,
) -> Result<Vec<NodeOutcome>, Failure> {
    let before = before(app, name).await;
    let change =
        Change { action: "set_policy", target: name.to_string(), before, after: describe(policy) };
    let make = async {
        check_seen(app, name, seen).await?;
        let set = || command::set_policy(name, policy);
        Ok(policy_nodes::run(app.operator().await, set).await?.0)
    };
    app.audit.run_on_nodes(identity, change, make).await
}

/// Deletes a policy on every primary, unless it is not as its user saw it: `seen` is what [`seen`] returned then. Returns
/// the outcome on each.
///
/// # Errors
/// [`Failure::NotFound`] if no primary had it; [`Failure::Rejected`] if it is another one now; that of a node, if it
/// failed on all of them.
pub async fn delete(
    app: &App,
    identity: &Identity,
    name: &PolicyName,
    seen: Option<&str>,
) -> Result<Vec<NodeOutcome>, Failure> {
    let change = Change {
        action: "delete_policy",
        target: name.to_string(),
        before: before(app, name).await,
        after: "none".to_owned(),
    };
    let make = async {
        check_seen(app, name, seen).await?;
        let delete = || command::del_policy(name);
        let (outcomes, existed) = policy_nodes::run(app.operator().await, delete).await?;
        // The first node that deletes it sends that to the others, which then have none.
        if !existed.contains(&true) && outcomes.iter().all(|outcome| outcome.outcome == "done") {
            return Err(Failure::NotFound(format!("there is no policy '{name}'")));
        }
        Ok(outcomes)
    };
    app.audit.run_on_nodes(identity, change, make).await
}

/// Replaces all policies by those of a document, on every primary, unless they are not as their user saw them: `seen` is
/// that of [`Diff`]. Returns the outcome on each.
///
/// # Errors
/// [`Failure::Invalid`] for an invalid document; [`Failure::Rejected`] if the policies are others now; that of a node, if
/// it failed on all of them.
pub async fn import(
    app: &App,
    identity: &Identity,
    json: &str,
    seen: Option<&str>,
) -> Result<Vec<NodeOutcome>, Failure> {
    let document = policy_document::parse(json).map_err(Failure::Invalid)?;
    let change = match list(app).await {
        Ok(now) => {
            let changes = changes(&now, &document);
            let texts = |side: fn(&PolicyChange) -> &Option<String>| {
                let lines = changes.iter().filter_map(|change| {
                    side(change).as_ref().map(|text| format!("{}: {text}", change.name))
                });
                lines.collect::<Vec<_>>().join("\n")
            };
            Change {
                action: "import_policies",
                target: format!("{} policies", changes.len()),
                before: texts(|change| &change.before),
                after: texts(|change| &change.after),
            }
        }
        Err(_) => Change {
            action: "import_policies",
            target: "all policies".to_owned(),
            before: NOT_READ.to_owned(),
            after: lines(&document),
        },
    };
    let make = async {
        if let Some(seen) = seen
            && seen_all(&list(app).await?) != seen
        {
            return Err(Failure::Rejected(CHANGED_SINCE_SEEN.to_owned()));
        }
        let import = || command::import_policies(json);
        Ok(policy_nodes::run(app.operator().await, import).await?.0)
    };
    app.audit.run_on_nodes(identity, change, make).await
}

/// The changes that an import of a document would make.
///
/// # Errors
/// [`Failure::Invalid`] for an invalid document; errors of the servers.
pub async fn diff(app: &App, json: &str) -> Result<Diff, Failure> {
    let after = policy_document::parse(json).map_err(Failure::Invalid)?;
    let before = list(app).await?;
    Ok(Diff { changes: changes(&before, &after), seen: seen_all(&before) })
}

/// A policy as its user sees it, or that there is none.
#[must_use]
pub fn seen(policy: Option<&Policy>) -> String {
    policy.map_or_else(|| "none".to_owned(), describe)
}

/// Rejects a change of a policy that is not as its user saw it.
async fn check_seen(app: &App, name: &PolicyName, seen: Option<&str>) -> Result<(), Failure> {
    let Some(seen) = seen else { return Ok(()) };
    let now = self::seen(list(app).await?.get(name));
    if now == seen {
        return Ok(());
    }
    let text = format!("The policy {name} has changed since you saw it: it is {now}");
    Err(Failure::Rejected(text))
}

/// Policies in words, one on each line.
pub fn lines(policies: &Policies) -> String {
    let lines = policies.iter().map(|(name, policy)| format!("{name}: {}", describe(policy)));
    lines.collect::<Vec<_>>().join("\n")
}

/// A digest of all policies.
pub fn seen_all(policies: &Policies) -> String {
    key_name::hex(&Sha256::digest(policy_document::write(policies)))
}

/// The policies that differ.
#[must_use]
pub fn changes(before: &Policies, after: &Policies) -> Vec<PolicyChange> {
    let mut names: Vec<_> = before.keys().chain(after.keys()).collect();
    names.sort_unstable_by_key(|name| name.as_str());
    names.dedup();
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| PolicyChange {
            name: name.to_string(),
            before: before.get(name).map(describe),
            after: after.get(name).map(describe),
        })
        .collect()
}

/// A policy in words.
#[must_use]
pub fn describe(policy: &Policy) -> String {
    match policy.mode {
        Mode::Enforce => policy.rules.to_string(),
        Mode::Shadow => format!("shadow: {}", policy.rules),
    }
}

/// A policy from the fields of a form or of the API.
///
/// # Errors
/// [`Failure::Invalid`] for invalid rules or another mode.
pub fn parse(rules: &str, mode: &str) -> Result<Policy, Failure> {
    let rules = rules
        .trim()
        .parse()
        .map_err(|error| Failure::Invalid(format!("rules '{}': {error}", rules.trim())))?;
    let mode = match mode {
        "enforce" => Mode::Enforce,
        "shadow" => Mode::Shadow,
        _ => return Err(Failure::Invalid("mode is one of enforce, shadow".to_owned())),
    };
    Ok(Policy { rules, mode })
}

/// The name of a policy.
///
/// # Errors
/// [`Failure::Invalid`] for another text.
pub fn parse_name(text: &str) -> Result<PolicyName, Failure> {
    PolicyName::parse(text.as_bytes()).ok_or_else(|| {
        Failure::Invalid(
            "a policy's name is 1 to 64 characters of A-Z a-z 0-9 . _ : - /".to_owned(),
        )
    })
}

async fn before(app: &App, name: &PolicyName) -> String {
    match list(app).await {
        Ok(policies) => seen(policies.get(name)),
        Err(_) => NOT_READ.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{changes, parse};
    use crate::operations::policy_document;

    #[test]
    fn a_diff_lists_what_is_added_changed_and_removed() {
        let document = |policies: &str| {
            policy_document::parse(&format!(r#"{{"policies":[{policies}]}}"#)).unwrap()
        };
        let policy = |name: &str, limit: u32, shadow: bool| {
            format!(
                r#"{{"name":"{name}","shadow":{shadow},"rules":[{{"limit":{limit},"window":"1s"}}]}}"#
            )
        };
        let before = document(
            &[policy("a", 1, false), policy("b", 1, false), policy("c", 1, false)].join(","),
        );
        let after = document(
            &[policy("b", 1, true), policy("c", 1, false), policy("d", 2, false)].join(","),
        );
        let found: Vec<_> = changes(&before, &after)
            .into_iter()
            .map(|change| (change.name, change.before, change.after))
            .collect();
        let text = |text: &str| Some(text.to_owned());
        let expected = [
            ("a".to_owned(), text("1/second"), None),
            ("b".to_owned(), text("1/second"), text("shadow: 1/second")),
            ("d".to_owned(), None, text("2/second")),
        ];
        assert_eq!(found, expected);
        assert!(changes(&before, &before).is_empty());
    }

    #[test]
    fn invalid_rules_and_modes_are_refused() {
        assert!(parse("10/second", "enforce").is_ok());
        assert!(parse(" 10/second ", "shadow").is_ok());
        assert!(parse("10", "enforce").is_err());
        assert!(parse("10/second", "off").is_err());
    }
}
