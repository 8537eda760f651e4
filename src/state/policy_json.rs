//! Policies as JSON: the output of `RL.POLICY EXPORT`, the input of `IMPORT`, and the format of snapshots.
//!
//! ```json
//! {"policies":[{"name":"api","rules":[{"limit":100,"window":"1m"}]},
//!              {"name":"trial","shadow":true,"rules":[{"limit":10,"window":"1s"}]}]}
//! ```

use std::collections::{BTreeMap, BTreeSet};

use ratelog_core::{Limit, Mode, Policy, PolicyName, Rule, Rules, Window};
use serde::{Deserialize, Serialize};

use super::json_object::Object;
use super::policy_change::PolicyChange;
use super::policy_version::PolicyVersion;
use crate::error::Error;
use crate::request::Bounds;

/// The maximum size of a document per allowed policy. It is far larger than the longest policy.
const MAX_BYTES_PER_POLICY: usize = 4_096;
/// The maximum length of a reason in an error.
const MAX_REASON_CHARS: usize = 200;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<T> {
    policies: Vec<Object<T>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFields {
    name: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    shadow: bool,
    rules: Vec<Object<RuleFields>>,
}

/// A policy with its version, or a deletion: then it has no rules.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeFields {
    name: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    shadow: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rules: Option<Vec<Object<RuleFields>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFields {
    limit: u64,
    window: String,
}

/// The limits of an import.
#[derive(Clone, Copy)]
pub struct ImportLimits {
    /// The maximum number of policies.
    pub policies: usize,
    /// The bounds of the policies' rules.
    pub bounds: Bounds,
}

/// Joins policies, each as [`format_one`] returns it, to one document.
pub fn join<'a>(policies: impl Iterator<Item = &'a str>) -> String {
    let mut text = r#"{"policies":["#.to_owned();
    for (index, policy) in policies.enumerate() {
        text.push_str(if index == 0 { "" } else { "," });
        text.push_str(policy);
    }
    text.push_str("]}");
    text
}

/// Formats policies and deletions with their versions as one document.
pub fn format_changes(changes: &[PolicyChange]) -> String {
    let policies = changes.iter().map(|change| Object(change_fields(change))).collect();
    to_json(&Document { policies })
}

/// Parses a document in the format of [`format_changes`].
///
/// # Errors
/// [`Error::Policies`] with the path to the first wrong field.
pub fn parse_changes(text: &[u8]) -> Result<Vec<PolicyChange>, Error> {
    let Document { policies } = from_json::<Document<ChangeFields>>(text)?;
    let mut names = BTreeSet::new();
    let mut changes = Vec::with_capacity(policies.len());
    for (index, Object(fields)) in policies.into_iter().enumerate() {
        let at = format!("policies[{index}].");
        let change = validate_change(fields, &at)?;
        if !names.insert(change.name.clone()) {
            let given = change.name.as_str();
            return Err(invalid(&at, "name", format_args!("'{given}' is given twice")));
        }
        changes.push(change);
    }
    Ok(changes)
}

/// Formats one policy.
pub fn format_one(name: &PolicyName, policy: &Policy) -> String {
    to_json(&fields(name, policy))
}

/// Parses a document of policies.
///
/// # Errors
/// [`Error::Policies`] with the path to the first wrong field, or [`Error::TooManyPolicies`].
pub fn parse(text: &[u8], limits: &ImportLimits) -> Result<BTreeMap<PolicyName, Policy>, Error> {
    // Add one, because a document without policies takes some bytes too.
    let most = limits.policies.saturating_add(1).saturating_mul(MAX_BYTES_PER_POLICY);
    if text.len() > most {
        return Err(Error::Policies(format!(
            "{} bytes are given, at most {most} are allowed",
            text.len()
        )));
    }
    let Document { policies: given } = from_json::<Document<PolicyFields>>(text)?;
    if given.len() > limits.policies {
        return Err(Error::TooManyPolicies { max: limits.policies });
    }
    let mut policies = BTreeMap::new();
    for (index, Object(fields)) in given.iter().enumerate() {
        let at = format!("policies[{index}].");
        let (name, policy) = validate(fields, &at, &limits.bounds)?;
        if policies.insert(name, policy).is_some() {
            return Err(invalid(&at, "name", format_args!("'{}' is given twice", fields.name)));
        }
    }
    Ok(policies)
}

/// Parses one policy in the format of [`format_one`].
///
/// # Errors
/// [`Error::Policies`] with the path to the first wrong field.
pub fn parse_one(text: &[u8]) -> Result<(PolicyName, Policy), Error> {
    validate(&from_json::<PolicyFields>(text)?, "", &Bounds::WIDEST)
}

fn to_json<T: Serialize>(fields: &T) -> String {
    serde_json::to_string(fields).unwrap_or_default()
}

fn fields(name: &PolicyName, policy: &Policy) -> PolicyFields {
    let rules = policy.rules.iter().map(|rule| {
        Object(RuleFields { limit: rule.limit().units(), window: rule.window().to_string() })
    });
    PolicyFields {
        name: name.to_string(),
        shadow: policy.mode == Mode::Shadow,
        rules: rules.collect(),
    }
}

fn change_fields(change: &PolicyChange) -> ChangeFields {
    let version = change.version.map(|version| version.to_string());
    let Some(policy) = &change.policy else {
        return ChangeFields { name: change.name.to_string(), shadow: false, rules: None, version };
    };
    let PolicyFields { name, shadow, rules } = fields(&change.name, policy);
    ChangeFields { name, shadow, rules: Some(rules), version }
}

fn validate_change(fields: ChangeFields, at: &str) -> Result<PolicyChange, Error> {
    let ChangeFields { name, shadow, rules, version } = fields;
    let version = match version {
        None => None,
        Some(text) => Some(PolicyVersion::parse(&text).ok_or_else(|| {
            invalid(at, "version", format_args!("'{text}' is not a counter and a node"))
        })?),
    };
    match rules {
        Some(rules) => {
            let fields = PolicyFields { name, shadow, rules };
            let (name, policy) = validate(&fields, at, &Bounds::WIDEST)?;
            Ok(PolicyChange { name, version, policy: Some(policy) })
        }
        // Only a deletion with a version can be remembered.
        None if version.is_none() => Err(Error::Policies(format!("{at}rules: missing field"))),
        None => {
            let name = validate_name(&name, at)?;
            Ok(PolicyChange { name, version, policy: None })
        }
    }
}

fn from_json<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let Object(parsed) = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| Error::Policies(truncate(&error.to_string())))?;
    reader.end().map_err(|error| Error::Policies(truncate(&error.to_string())))?;
    Ok(parsed)
}

fn validate(
    fields: &PolicyFields,
    at: &str,
    bounds: &Bounds,
) -> Result<(PolicyName, Policy), Error> {
    let name = validate_name(&fields.name, at)?;
    let mut rules = Vec::new();
    for (index, rule) in fields.rules.iter().enumerate().take(Rules::MAX + 1) {
        let Object(rule) = rule;
        rules.push(validate_rule(rule, &format!("{at}rules[{index}]."), bounds)?);
    }
    let given = fields.rules.len();
    let rules = Rules::new(rules).ok_or_else(|| {
        invalid(at, "rules", format_args!("{given} are given, 1 to {} are allowed", Rules::MAX))
    })?;
    let mode = if fields.shadow { Mode::Shadow } else { Mode::Enforce };
    Ok((name, Policy { rules, mode }))
}

fn validate_name(name: &str, at: &str) -> Result<PolicyName, Error> {
    PolicyName::parse(name.as_bytes()).ok_or_else(|| {
        let reason = Error::PolicyName(name.as_bytes().into()).reason();
        invalid(at, "name", format_args!("{reason}"))
    })
}

fn validate_rule(fields: &RuleFields, at: &str, bounds: &Bounds) -> Result<Rule, Error> {
    let RuleFields { limit, window } = fields;
    let max = bounds.limit;
    let limit = u32::try_from(*limit).ok().map(Limit::new).filter(|limit| *limit <= max);
    let limit = limit.ok_or_else(|| {
        let given = fields.limit.to_string();
        invalid(at, "limit", format_args!("{}", Error::limit(given.as_bytes(), max).reason()))
    })?;
    let max = bounds.window;
    let window = Window::parse(window.as_bytes(), max).ok_or_else(|| {
        let error = Error::Window { given: window.as_bytes().into(), max };
        invalid(at, "window", format_args!("{}", error.reason()))
    })?;
    Ok(Rule::new(limit, window))
}

fn invalid(at: &str, field: &str, reason: std::fmt::Arguments<'_>) -> Error {
    Error::Policies(truncate(&format!("{at}{field}: {reason}")))
}

/// Truncates a reason, so that the length of an error has a bound.
fn truncate(reason: &str) -> String {
    match reason.char_indices().nth(MAX_REASON_CHARS) {
        Some((cut, _)) => format!("{}...", reason.get(..cut).unwrap_or_default()),
        None => reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{ImportLimits, format_one, join, parse, parse_one};
    use crate::request::Bounds;

    const LIMITS: ImportLimits = ImportLimits { policies: 3, bounds: Bounds { ..BOUNDS } };
    const BOUNDS: Bounds = Bounds {
        limit: ratelog_core::Limit::DEFAULT_MAX,
        window: ratelog_core::Window::DEFAULT_MAX,
    };

    fn error(text: &str) -> String {
        parse(text.as_bytes(), &LIMITS).unwrap_err().to_string()
    }

    #[test]
    fn policies_round_trip() {
        let text = r#"{"policies":[{"name":"a/b","rules":[{"limit":100,"window":"1m"},{"limit":1000,"window":"1h"}]},{"name":"z","shadow":true,"rules":[{"limit":0,"window":"1500ms"},{"limit":9,"window":"2w"}]}]}"#;
        let policies = parse(text.as_bytes(), &LIMITS).unwrap();
        let each: Vec<_> = policies.iter().map(|(name, policy)| format_one(name, policy)).collect();
        assert_eq!(join(each.iter().map(String::as_str)), text);
        for (name, policy) in &policies {
            let one = format_one(name, policy);
            assert_eq!(parse_one(one.as_bytes()).unwrap(), (name.clone(), policy.clone()));
        }
        let none = ImportLimits { policies: 0, ..LIMITS };
        assert!(parse(br#"{"policies":[]}"#, &none).unwrap().is_empty());
    }

    #[test]
    fn an_error_names_the_path() {
        let policy = |fields: &str| {
            format!(
                r#"{{"policies":[{{"name":"a","rules":[{{"limit":1,"window":"1s"}}]}},{{{fields}}}]}}"#
            )
        };
        let prefix = "ERR policies cannot be read: ";
        for (fields, reason) in [
            (r#""name":"b""#, "policies[1]: missing field `rules`"),
            (r#""name":"b","rules":[]"#, "policies[1].rules: 0 are given, 1 to 16 are allowed"),
            (r#""name":"b c","rules":[]"#, "policies[1].name: policy name 'b c' is not"),
            (r#""name":7"#, "policies[1].name: invalid type: integer `7`"),
            (
                r#""name":"b","rules":[{"limit":1000001,"window":"1s"}]"#,
                "policies[1].rules[0].limit: limit '1000001' is not an integer from 0 to 1000000",
            ),
            (
                r#""name":"b","rules":[{"limit":-1,"window":"1s"}]"#,
                "policies[1].rules[0].limit: invalid value",
            ),
            (
                r#""name":"b","rules":[{"limit":1,"window":"1y"}]"#,
                "policies[1].rules[0].window: window '1y' is not",
            ),
            (
                r#""name":"b","rules":[{"limit":1,"window":1}]"#,
                "policies[1].rules[0].window: invalid type",
            ),
            (
                r#""name":"b","rules":[{"limit":1,"window":"1s","x":1}]"#,
                "policies[1].rules[0].x: unknown field `x`",
            ),
            (
                r#""name":"a","rules":[{"limit":1,"window":"1s"}]"#,
                "policies[1].name: 'a' is given twice",
            ),
            (r#""name":"b","name":"c""#, "policies[1]: duplicate field `name`"),
            (
                r#""name":"b","rules":[[1,"1s"]]"#,
                "policies[1].rules[0]: invalid type: sequence, expected an object",
            ),
        ] {
            let text = error(&policy(fields));
            assert!(text.starts_with(&format!("{prefix}{reason}")), "{fields}: {text}");
        }
        for lists in [r#"[[["a",false,[]]]]"#, r#"{"policies":[["a",false,[]]]}"#] {
            assert!(error(lists).contains("invalid type: sequence, expected an object"), "{lists}");
        }
        assert!(error("{}").contains("missing field `policies`"));
        assert!(error(r#"{"policies":[]} x"#).contains("trailing characters"));
        assert!(error("").contains("EOF"));
    }

    #[test]
    fn errors_of_hostile_texts_are_short() {
        let deep = "[".repeat(12_000);
        assert!(error(&deep).len() < 300);
        assert!(error(&format!(r#"{{"policies":{deep}"#)).len() < 300);
        let long = format!(r#"{{"policies":[{{"{}":1}}]}}"#, "x".repeat(12_000));
        assert!(error(&long).len() < 300, "{}", error(&long));
        let huge = " ".repeat(4 * 4_096 + 1);
        assert_eq!(
            error(&huge),
            "ERR policies cannot be read: 16385 bytes are given, at most 16384 are allowed"
        );
        let one = r#"{"name":"a","rules":[{"limit":1,"window":"1s"}]}"#;
        let four = format!(r#"{{"policies":[{one},{one},{one},{one}]}}"#);
        assert_eq!(error(&four), "ERR there would be more than 3 policies (rl.max-policies)");
    }
}
