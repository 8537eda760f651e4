use super::rules::read;
use super::{CHECK_ARGS, reply};
use crate::error::Error;
use crate::server::{Args, Command, Context, KeyAccess, Keys, Spec};

/// `RL.PEEK key limit window [limit window ...]|POLICY name [COST n]`
pub struct Peek;

impl Command for Peek {
    const SPEC: Spec = Spec {
        name: c"RL.PEEK",
        flags: c"readonly fast",
        acl_categories: c"ratelog read fast",
        arity: -4,
        keys: Keys::First(KeyAccess::Read),
        tips: Some(c"nondeterministic_output"),
        summary: c"Checks a key against its rules without recording units.",
        complexity: c"O(R*log(N)) for R rules and N units in the log.",
        args: CHECK_ARGS,
        ..Spec::COMMON
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        read(ctx, args, |rules, key_override, log, now, units| {
            reply::decision(ctx, &rules.peek(key_override, log, now, units).decision);
        })
    }
}
