//! Policies as JSON: what `RL.POLICY EXPORT` gives and `IMPORT` takes, and how they are saved.
//!
//! ```json
//! {"policies":[{"name":"api","rules":[{"limit":100,"window":"1m"}]},
//!              {"name":"trial","shadow":true,"rules":[{"limit":10,"window":"1s"}]}]}
//! ```

use std::collections::BTreeMap;

use ratelog_core::{Limit, Mode, Policy, PolicyName, Rule, Rules, Window};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::json_object::Object;
use crate::request::Bounds;

/// The most bytes for each policy that may be: far more than the longest takes.
const BYTES_PER_POLICY: usize = 4_096;
/// The most of a reason that is shown.
const REASON: usize = 200;

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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFields {
    limit: u64,
    window: String,
}

/// What may be read.
#[derive(Clone, Copy)]
pub struct Allowance {
    /// The most policies.
    pub policies: usize,
    /// The most that their rules may ask for.
    pub bounds: Bounds,
}

impl Allowance {
    /// For what was checked before it was saved or passed on.
    pub const WIDEST: Self = Self { policies: usize::MAX, bounds: Bounds::WIDEST };
}

/// The policies as one text.
pub fn write<'a>(policies: impl Iterator<Item = (&'a PolicyName, &'a Policy)>) -> String {
    let policies = policies.map(|(name, policy)| Object(fields(name, policy))).collect();
    json(&Document { policies })
}

/// One policy as text.
pub fn write_one(name: &PolicyName, policy: &Policy) -> String {
    json(&fields(name, policy))
}

/// The policies that [`write()`] gave, or a person.
///
/// # Errors
/// [`Error::Policies`] with the path to the first field that is wrong; [`Error::TooManyPolicies`].
pub fn read(text: &[u8], allowance: &Allowance) -> Result<BTreeMap<PolicyName, Policy>, Error> {
    // The list itself takes some, even where no policy may be.
    let most = allowance.policies.saturating_add(1).saturating_mul(BYTES_PER_POLICY);
    if text.len() > most {
        return Err(Error::Policies(format!(
            "{} bytes are given, at most {most} are allowed",
            text.len()
        )));
    }
    let Document { policies: given } = parse::<Document<PolicyFields>>(text)?;
    if given.len() > allowance.policies {
        return Err(Error::TooManyPolicies { max: allowance.policies });
    }
    let mut policies = BTreeMap::new();
    for (index, Object(fields)) in given.iter().enumerate() {
        let at = format!("policies[{index}].");
        let (name, policy) = checked(fields, &at, &allowance.bounds)?;
        if policies.insert(name, policy).is_some() {
            return Err(wrong(&at, "name", format_args!("'{}' is given twice", fields.name)));
        }
    }
    Ok(policies)
}

/// The policy that [`write_one`] gave.
///
/// # Errors
/// [`Error::Policies`] with the path to the first field that is wrong.
pub fn read_one(text: &[u8]) -> Result<(PolicyName, Policy), Error> {
    checked(&parse::<PolicyFields>(text)?, "", &Bounds::WIDEST)
}

fn json<T: Serialize>(fields: &T) -> String {
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

fn parse<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let Object(parsed) = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| Error::Policies(shortened(&error.to_string())))?;
    reader.end().map_err(|error| Error::Policies(shortened(&error.to_string())))?;
    Ok(parsed)
}

fn checked(
    fields: &PolicyFields,
    at: &str,
    bounds: &Bounds,
) -> Result<(PolicyName, Policy), Error> {
    let name = PolicyName::parse(fields.name.as_bytes()).ok_or_else(|| {
        wrong(
            at,
            "name",
            format_args!("{}", Error::PolicyName(fields.name.as_bytes().into()).reason()),
        )
    })?;
    let mut rules = Vec::new();
    for (index, rule) in fields.rules.iter().enumerate().take(Rules::MAX + 1) {
        let Object(rule) = rule;
        rules.push(checked_rule(rule, &format!("{at}rules[{index}]."), bounds)?);
    }
    let given = fields.rules.len();
    let rules = Rules::new(rules).ok_or_else(|| {
        wrong(at, "rules", format_args!("{given} are given, 1 to {} are allowed", Rules::MAX))
    })?;
    let mode = if fields.shadow { Mode::Shadow } else { Mode::Enforce };
    Ok((name, Policy { rules, mode }))
}

fn checked_rule(fields: &RuleFields, at: &str, bounds: &Bounds) -> Result<Rule, Error> {
    let RuleFields { limit, window } = fields;
    let max = bounds.limit;
    let limit = u32::try_from(*limit).ok().and_then(Limit::new).filter(|limit| *limit <= max);
    let limit = limit.ok_or_else(|| {
        let given = fields.limit.to_string();
        wrong(at, "limit", format_args!("{}", Error::limit(given.as_bytes(), max).reason()))
    })?;
    let max = bounds.window;
    let window = Window::parse(window.as_bytes(), max).ok_or_else(|| {
        let error = Error::Window { given: window.as_bytes().into(), max };
        wrong(at, "window", format_args!("{}", error.reason()))
    })?;
    Ok(Rule::new(limit, window))
}

fn wrong(at: &str, field: &str, reason: std::fmt::Arguments<'_>) -> Error {
    Error::Policies(shortened(&format!("{at}{field}: {reason}")))
}

/// Nothing that input says may make an error long.
fn shortened(reason: &str) -> String {
    match reason.char_indices().nth(REASON) {
        Some((cut, _)) => format!("{}...", reason.get(..cut).unwrap_or_default()),
        None => reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Allowance, read, read_one, write, write_one};
    use crate::request::Bounds;

    const ALLOWANCE: Allowance = Allowance { policies: 3, bounds: Bounds { ..BOUNDS } };
    const BOUNDS: Bounds = Bounds {
        limit: ratelog_core::Limit::DEFAULT_MAX,
        window: ratelog_core::Window::DEFAULT_MAX,
    };

    fn told(text: &str) -> String {
        read(text.as_bytes(), &ALLOWANCE).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read() {
        let text = r#"{"policies":[{"name":"a/b","rules":[{"limit":100,"window":"1m"},{"limit":1000,"window":"1h"}]},{"name":"z","shadow":true,"rules":[{"limit":1,"window":"1500ms"}]}]}"#;
        let policies = read(text.as_bytes(), &ALLOWANCE).unwrap();
        assert_eq!(write(policies.iter()), text);
        for (name, policy) in &policies {
            let one = write_one(name, policy);
            assert_eq!(read_one(one.as_bytes()).unwrap(), (name.clone(), policy.clone()));
        }
        let none = Allowance { policies: 0, ..ALLOWANCE };
        assert!(read(br#"{"policies":[]}"#, &none).unwrap().is_empty());
    }

    #[test]
    fn an_error_gives_the_path() {
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
                r#""name":"b","rules":[{"limit":0,"window":"1s"}]"#,
                "policies[1].rules[0].limit: limit '0' is not an integer",
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
            let text = told(&policy(fields));
            assert!(text.starts_with(&format!("{prefix}{reason}")), "{fields}: {text}");
        }
        for lists in [r#"[[["a",false,[]]]]"#, r#"{"policies":[["a",false,[]]]}"#] {
            assert!(told(lists).contains("invalid type: sequence, expected an object"), "{lists}");
        }
        assert!(told("{}").contains("missing field `policies`"));
        assert!(told(r#"{"policies":[]} x"#).contains("trailing characters"));
        assert!(told("").contains("EOF"));
    }

    #[test]
    fn a_hostile_text_is_refused_in_few_words() {
        let deep = "[".repeat(12_000);
        assert!(told(&deep).len() < 300);
        assert!(told(&format!(r#"{{"policies":{deep}"#)).len() < 300);
        let long = format!(r#"{{"policies":[{{"{}":1}}]}}"#, "x".repeat(12_000));
        assert!(told(&long).len() < 300, "{}", told(&long));
        let huge = " ".repeat(4 * 4_096 + 1);
        assert_eq!(
            told(&huge),
            "ERR policies cannot be read: 16385 bytes are given, at most 16384 are allowed"
        );
        let one = r#"{"name":"a","rules":[{"limit":1,"window":"1s"}]}"#;
        let four = format!(r#"{{"policies":[{one},{one},{one},{one}]}}"#);
        assert_eq!(told(&four), "ERR there would be more than 3 policies (rl.max-policies)");
    }
}
