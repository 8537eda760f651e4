//! The commands, one file each. A command parses its request, opens its key, evaluates, commits the effect and replies.

mod check;
mod commit;
mod explain;
mod help;
mod hits;
mod inspect;
mod internal;
mod mcheck;
mod r#override;
mod peek;
mod policy;
mod refund;
mod reply;
mod reset;
mod rules;
mod stats;
mod top;

use check::Check;
use explain::Explain;
use hits::Hits;
use inspect::Inspect;
use mcheck::MCheck;
use peek::Peek;
use refund::Refund;
use reset::Reset;
use stats::Stats;
use top::Top;

use crate::server::{Arg, ArgKind, Registration};

/// Registers every command of the module.
///
/// # Errors
/// The name of the command that the server rejects.
pub fn register(module: &Registration) -> Result<(), String> {
    module.command::<Check>()?;
    module.command::<Peek>()?;
    module.command::<Explain>()?;
    module.command::<MCheck>()?;
    module.command::<Refund>()?;
    module.command::<Reset>()?;
    module.command::<Inspect>()?;
    module.command::<Hits>()?;
    policy::register(module)?;
    r#override::register(module)?;
    module.command::<Stats>()?;
    module.command::<Top>()?;
    internal::register(module)
}

const KEY: Arg = Arg::new(c"key", ArgKind::Key);
const COST: Arg = Arg::new(c"cost", ArgKind::Integer).optional_after(c"COST");
const COUNT: Arg = Arg::new(c"count", ArgKind::Integer).optional_after(c"COUNT");
const POLICY_NAME: Arg = Arg::new(c"name", ArgKind::String);

/// `limit window`
const RULE: Arg = Arg::new(
    c"rule",
    ArgKind::Block(&[Arg::new(c"limit", ArgKind::Integer), Arg::new(c"window", ArgKind::String)]),
);
const RULES: Arg = RULE.repeated();

/// `key limit window [limit window ...]|POLICY name [COST n]`
const CHECK_ARGS: &[Arg] = &[
    KEY,
    Arg::new(
        c"rules",
        ArgKind::OneOf(&[RULES, Arg::new(c"policy", ArgKind::String).after(c"POLICY")]),
    ),
    COST,
];
