//! Policies as JSON: the output of `RL.POLICY EXPORT`, and the input of `RL.POLICY IMPORT`.

use std::collections::BTreeMap;

use ratelog_client::{Limit, Mode, Policy, PolicyName, Rule, Rules, Window};
use serde::{Deserialize, Serialize};

/// Policies by name.
pub type Policies = BTreeMap<PolicyName, Policy>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    policies: Vec<PolicyFields>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFields {
    name: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    shadow: bool,
    rules: Vec<RuleFields>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFields {
    limit: u32,
    window: String,
}

/// Parses a document.
///
/// # Errors
/// The text names what is wrong: JSON of another form, an invalid name, window or number of rules, a name that stands
/// twice.
pub fn parse(json: &str) -> Result<Policies, String> {
    let document: Document = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let mut policies = BTreeMap::new();
    for fields in document.policies {
        let name = PolicyName::parse(fields.name.as_bytes())
            .ok_or_else(|| format!("'{}' is not a policy's name", fields.name))?;
        let policy = policy(&fields).map_err(|error| format!("policy '{name}': {error}"))?;
        if policies.insert(name, policy).is_some() {
            return Err(format!("policy '{}' is given twice", fields.name));
        }
    }
    Ok(policies)
}

/// Writes a document.
#[must_use]
pub fn write<'a>(policies: impl IntoIterator<Item = (&'a PolicyName, &'a Policy)>) -> String {
    let policies = policies.into_iter().map(|(name, policy)| PolicyFields {
        name: name.to_string(),
        shadow: policy.mode == Mode::Shadow,
        rules: policy.rules.iter().map(rule_fields).collect(),
    });
    let document = Document { policies: policies.collect() };
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

fn rule_fields(rule: Rule) -> RuleFields {
    let limit = u32::try_from(rule.limit().units()).unwrap_or(u32::MAX);
    RuleFields { limit, window: rule.window().to_string() }
}

fn policy(fields: &PolicyFields) -> Result<Policy, String> {
    let rules = fields.rules.iter().map(|rule| {
        // The servers have bounds of their own.
        Window::parse(rule.window.as_bytes(), Window::MAX)
            .map(|window| Rule::new(Limit::new(rule.limit), window))
            .ok_or_else(|| format!("'{}' is not a window of at most {}", rule.window, Window::MAX))
    });
    let rules = Rules::new(rules.collect::<Result<Vec<_>, _>>()?)
        .ok_or_else(|| format!("{} rules; a policy has 1 to {}", fields.rules.len(), Rules::MAX))?;
    Ok(Policy { rules, mode: if fields.shadow { Mode::Shadow } else { Mode::Enforce } })
}

#[cfg(test)]
mod tests {
    use super::{parse, write};

    #[test]
    fn documents_round_trip() {
        let json = r#"{"policies":[{"name":"a","rules":[{"limit":10,"window":"1s"},{"limit":100,"window":"1m"}]},{"name":"b","shadow":true,"rules":[{"limit":0,"window":"1d"}]}]}"#;
        let policies = parse(json).unwrap();
        let again: serde_json::Value = serde_json::from_str(&write(&policies)).unwrap();
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(json).unwrap());
    }

    #[test]
    fn errors_name_the_policy() {
        let error = |json: &str| parse(json).unwrap_err();
        let rule = r#"{"limit":1,"window":"1s"}"#;
        let policy = |name: &str, rules: &str| format!(r#"{{"name":"{name}","rules":[{rules}]}}"#);
        let document = |policies: &str| format!(r#"{{"policies":[{policies}]}}"#);
        assert!(error("[]").contains("expected struct Document"));
        assert_eq!(error(&document(&policy("a b", rule))), "'a b' is not a policy's name");
        assert_eq!(error(&document(&policy("a", ""))), "policy 'a': 0 rules; a policy has 1 to 16");
        let window = r#"{"limit":1,"window":"1x"}"#;
        assert!(
            error(&document(&policy("a", window))).starts_with("policy 'a': '1x' is not a window")
        );
        let twice = format!("{},{}", policy("a", rule), policy("a", rule));
        assert_eq!(error(&document(&twice)), "policy 'a' is given twice");
    }
}
