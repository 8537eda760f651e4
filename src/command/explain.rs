use super::rules::read;
use super::{CHECK_ARGS, reply};
use crate::error::Error;
use crate::server::{Args, Command, Context, KeyAccess, Keys, Spec};

/// `RL.EXPLAIN key limit window [limit window ...]|POLICY name [COST n]`
pub struct Explain;

impl Command for Explain {
    const SPEC: Spec = Spec {
        name: c"RL.EXPLAIN",
        flags: c"readonly fast",
        acl_categories: c"ratelog read fast",
        arity: -4,
        keys: Keys::First(KeyAccess::Read),
        tips: Some(c"nondeterministic_output"),
        summary: c"Returns the decision of each rule of a check, and what decides the check.",
        complexity: c"O(R*log(N)) for R rules and N units in the log.",
        args: CHECK_ARGS,
        ..Spec::COMMON
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        read(ctx, args, |rules, key_override, log, now, units| {
            let explanation = rules.explain(key_override, log, now, units);
            reply::explanation(ctx, &explanation, key_override, now);
        })
    }
}
