//! The policies, and changes of them.

use ratelog_client::command;
use ratelog_client::{Mode, Policy, PolicyName};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::audit::Change;
use super::failure::Failure;
use super::key_name;
use super::policy_document::{self, Policies};
use super::policy_nodes::{self, NodeOutcome};
use crate::app::App;
use crate::auth::Identity;

/// The most bytes of a request with a document. That of 10,000 policies with 16 rules each, as a form, has less.
pub const MAX_DOCUMENT: usize = 32 << 20;

/// A policy that a document adds, changes or removes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PolicyChange {
    /// The policy's name.
    pub name: String,
    /// The policy now, in words; nothing if it is new.
    pub before: Option<String>,
    /// The policy after the import; nothing if it is removed.
    pub after: Option<String>,
}

/// All policies, as the first primary that answers has them.
///
/// # Errors
/// Errors of the servers.
pub async fn list(app: &App) -> Result<Policies, Failure> {
    let mut failure = Failure::Unavailable("no server is known".to_owned());
    for node in app.viewer.nodes().iter().filter(|node| node.is_primary()) {
        match node.query(&command::export_policies()).await {
            Ok(json) => return policy_document::parse(&json).map_err(Failure::Rejected),
            Err(error) => failure = error.into(),
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
        if let Some(seen) = seen {
            let now = self::seen(list(app).await?.get(name));
            if now != seen {
                let text = format!("The policy {name} has changed since you saw it: it is {now}");
                return Err(Failure::Rejected(text));
            }
        }
        policy_nodes::run(app.operator().await, || command::set_policy(name, policy)).await
    };
    app.audit.run_on_nodes(identity, change, make).await
}

/// Deletes a policy on every primary. Returns the outcome on each.
///
/// # Errors
/// That of a node, if it failed on all of them.
pub async fn delete(
    app: &App,
    identity: &Identity,
    name: &PolicyName,
) -> Result<Vec<NodeOutcome>, Failure> {
    let change = Change {
        action: "delete_policy",
        target: name.to_string(),
        before: before(app, name).await,
        after: "none".to_owned(),
    };
    let make = policy_nodes::run(app.operator().await, || command::del_policy(name));
    app.audit.run_on_nodes(identity, change, make).await
}

/// Replaces all policies by those of a document, on every primary, unless they are not as their user saw them: `seen` is
/// what [`seen_all`] returned then. Returns the outcome on each.
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
    let (changes, _) = diff(app, json).await?;
    let describe = |text: fn(&PolicyChange) -> &Option<String>| {
        let lines = changes.iter().filter_map(|change| {
            text(change).as_ref().map(|text| format!("{}: {text}", change.name))
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    let change = Change {
        action: "import_policies",
        target: format!("{} policies", changes.len()),
        before: describe(|change| &change.before),
        after: describe(|change| &change.after),
    };
    let make = async {
        if let Some(seen) = seen
            && seen_all(&list(app).await?) != seen
        {
            let text = "The policies have changed since you saw them: look at the changes again";
            return Err(Failure::Rejected(text.to_owned()));
        }
        policy_nodes::run(app.operator().await, || command::import_policies(json)).await
    };
    app.audit.run_on_nodes(identity, change, make).await
}

/// Gives all primaries the policies of one node. Returns the outcome on each.
///
/// # Errors
/// [`Failure::NotFound`] if there is no such node; that of a node, if it failed on all of them.
pub async fn make_equal(
    app: &App,
    identity: &Identity,
    source: &str,
) -> Result<Vec<NodeOutcome>, Failure> {
    let change = Change {
        action: "import_policies",
        target: "all policies".to_owned(),
        before: "different on the nodes".to_owned(),
        after: format!("those of {source}"),
    };
    let make = async {
        let nodes = app.viewer.nodes();
        let node = nodes.iter().find(|node| node.address() == source);
        let node = node.ok_or_else(|| Failure::NotFound(format!("there is no node {source}")))?;
        let json = node.query(&command::export_policies()).await?;
        policy_nodes::run(app.operator().await, || command::import_policies(&json)).await
    };
    app.audit.run_on_nodes(identity, change, make).await
}

/// The changes that an import of a document would make, and the policies that they change, for [`import`].
///
/// # Errors
/// [`Failure::Invalid`] for an invalid document; errors of the servers.
pub async fn diff(app: &App, json: &str) -> Result<(Vec<PolicyChange>, String), Failure> {
    let after = policy_document::parse(json).map_err(Failure::Invalid)?;
    let before = list(app).await?;
    Ok((changes(&before, &after), seen_all(&before)))
}

/// A policy as its user sees it, or that there is none.
#[must_use]
pub fn seen(policy: Option<&Policy>) -> String {
    policy.map_or_else(|| "none".to_owned(), describe)
}

/// A digest of all policies.
fn seen_all(policies: &Policies) -> String {
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
        Err(_) => "not read".to_owned(),
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
