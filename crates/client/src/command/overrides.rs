use std::time::Duration;

use ratelog_core::{Action, Rules};
use redis::{Value, cmd};

use super::check::add_rules;
use super::{Command, Routing};
use crate::reply::{self, Fields, InvalidReply};

/// An operator's exception for one key. It takes precedence over the rules of the key's checks.
///
/// ```
/// use ratelog_client::Action;
/// use ratelog_client::command::Override;
/// use std::time::Duration;
///
/// let block = Override::DENY.with_ttl(Duration::from_secs(3_600));
/// assert_eq!(block.action, Action::Deny);
///
/// let raise = Override::limit("1000/minute".parse()?);
/// assert_eq!(raise.ttl, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The effect on the key's checks.
    pub action: Action,
    /// The time until the override ends, in whole milliseconds; `None` if it does not end.
    pub ttl: Option<Duration>,
}

impl Override {
    /// Allows every check, and records nothing.
    pub const ALLOW: Self = Self { action: Action::Allow, ttl: None };
    /// Denies every check.
    pub const DENY: Self = Self { action: Action::Deny, ttl: None };

    /// Applies `rules` in place of the caller's.
    #[must_use]
    pub const fn limit(rules: Rules) -> Self {
        Self { action: Action::Limit(rules), ttl: None }
    }

    /// The same override, ending after `ttl`. It is rounded down to whole milliseconds; the server rejects zero.
    #[must_use]
    pub fn with_ttl(self, ttl: Duration) -> Self {
        Self { ttl: Some(ttl), ..self }
    }
}

/// `RL.OVERRIDE SET`: sets the key's override, and replaces the one that it has.
pub fn set_override(key: impl AsRef<[u8]>, key_override: &Override) -> Command<()> {
    let mut cmd = cmd("RL.OVERRIDE");
    cmd.arg("SET").arg(key.as_ref());
    match &key_override.action {
        Action::Allow => cmd.arg("ALLOW"),
        Action::Deny => cmd.arg("DENY"),
        Action::Limit(rules) => {
            cmd.arg("LIMIT");
            add_rules(&mut cmd, rules);
            &mut cmd
        }
    };
    if let Some(ttl) = key_override.ttl {
        cmd.arg("PX").arg(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
    }
    Command::new(cmd, Routing::Primary(2), reply::parse)
}

/// `RL.OVERRIDE GET`: the key's override, if it has one.
pub fn get_override(key: impl AsRef<[u8]>) -> Command<Option<Override>> {
    let mut cmd = cmd("RL.OVERRIDE");
    cmd.arg("GET").arg(key.as_ref());
    Command::new(cmd, Routing::Replica(2), |value| reply::optional(value, parse))
}

/// `RL.OVERRIDE DEL`: deletes the key's override, and keeps its units. Returns whether it had one.
pub fn del_override(key: impl AsRef<[u8]>) -> Command<bool> {
    let mut cmd = cmd("RL.OVERRIDE");
    cmd.arg("DEL").arg(key.as_ref());
    Command::new(cmd, Routing::Primary(2), reply::parse)
}

pub(super) fn parse(value: Value) -> Result<Override, InvalidReply> {
    from_fields(Fields::from_value(value)?)
}

pub(super) fn from_fields(mut fields: Fields) -> Result<Override, InvalidReply> {
    let rules = reply::rules(fields.take("rules")?)?;
    let action = match (fields.parse::<String>("action")?.as_str(), rules) {
        ("allow", None) => Action::Allow,
        ("deny", None) => Action::Deny,
        ("limit", Some(rules)) => Action::Limit(rules),
        (other, _) => return Err(format!("action '{other}' with these rules is unknown")),
    };
    let ttl = match fields.parse::<i64>("ttl_ms")? {
        -1 => None,
        millis => {
            let millis = u64::try_from(millis).map_err(|_| format!("ttl_ms is {millis}"))?;
            Some(Duration::from_millis(millis))
        }
    };
    Ok(Override { action, ttl })
}
