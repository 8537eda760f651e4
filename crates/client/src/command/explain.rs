use ratelog_core::DecidedBy;
use redis::Value;

use super::check::{decision, single};
use super::overrides::{self, Override};
use super::{Command, Routing};
use crate::reply::{self, Fields, InvalidReply};
use crate::{Check, Decision};

/// The decision of a check, and the reasons for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The decision of each rule, in order, as if it were the only rule. The rules are those of the check, or those of an
    /// override that sets other rules.
    pub rules: Vec<Decision>,
    /// The decision, which is that of [`peek`](super::peek).
    pub decision: Decision,
    /// The source of the decision.
    pub decided_by: DecidedBy,
    /// The index in [`rules`](Self::rules) of the rule that decides. Under [`DecidedBy::Shadow`], it is the rule that
    /// would have denied the check. `None` if an override allows or denies all checks.
    pub rule: Option<usize>,
    /// The key's override, if it has one.
    pub key_override: Option<Override>,
}

/// `RL.EXPLAIN`: the decision of [`peek`](super::peek), and the reasons for it. Records nothing.
pub fn explain<'a>(key: impl AsRef<[u8]>, check: impl Into<Check<'a>>) -> Command<Explanation> {
    Command::new(single("RL.EXPLAIN", key.as_ref(), check.into()), Routing::Replica(1), explanation)
}

fn explanation(value: Value) -> Result<Explanation, InvalidReply> {
    let mut fields = Fields::from_value(value)?;
    let rules = reply::array(fields.take("rules")?, decision)?;
    let rule: Option<usize> = fields.parse("rule")?;
    if let Some(index) = rule.filter(|index| *index >= rules.len()) {
        return Err(format!("rule is {index} of {} rules", rules.len()));
    }
    let decided_by = match fields.parse::<String>("decided_by")?.as_str() {
        "rules" => DecidedBy::Rules,
        "shadow" => DecidedBy::Shadow,
        "override" => DecidedBy::Override,
        other => return Err(format!("decided_by '{other}' is unknown")),
    };
    Ok(Explanation {
        rules,
        decision: decision(fields.take("decision")?)?,
        decided_by,
        rule,
        key_override: reply::optional(fields.take("override")?, overrides::parse)?,
    })
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::explain;
    use crate::Rules;

    /// Returns the error of a reply with these values for `decided_by` and `rule`.
    fn error(decided_by: &str, rule: i64) -> Option<String> {
        let text = |text: &str| Value::BulkString(text.into());
        let decision = Value::Array([1, 5, 5, 0, 0, 60_000].map(Value::Int).into());
        let reply = Value::Map(vec![
            (text("rules"), Value::Array(vec![decision.clone()])),
            (text("decision"), decision),
            (text("decided_by"), text(decided_by)),
            (text("rule"), Value::Int(rule)),
            (text("override"), Value::Nil),
        ]);
        let rules: Rules = "5/minute".parse().unwrap();
        explain("k", &rules).parse(reply).err().map(|error| error.to_string())
    }

    #[test]
    fn an_unknown_source_or_rule_is_an_error() {
        assert_eq!(error("rules", 0), None);
        let unknown = error("dice", 0).unwrap();
        assert!(unknown.contains("decided_by 'dice' is unknown"), "{unknown}");
        let beyond = error("rules", 1).unwrap();
        assert!(beyond.contains("rule is 1 of 1 rules"), "{beyond}");
        assert!(error("rules", -1).is_some());
    }
}
