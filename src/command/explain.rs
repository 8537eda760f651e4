use ratelog_core::Log;

use super::rules::resolve;
use super::{CHECK_ARGS, reply};
use crate::config;
use crate::error::Error;
use crate::request;
use crate::server::{Args, Command, Context, KeyAccess, Keys, ReadKey, Spec};

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
        let (name, args) = args.split_key().ok_or(Error::Arity)?;
        let request = request::Check::parse(args, &config::bounds())?;
        let rules = resolve(ctx, &request.rules)?;
        let key = ReadKey::open(ctx, name)?;
        let now = ctx.now();

        let empty = Log::new();
        let (log, key_override) = match key.value() {
            Some(value) => (&value.log, value.live_override(now)),
            None => (&empty, None),
        };
        let explanation = rules.explain(key_override, log, now, request.cost.units());
        reply::explanation(ctx, &explanation, key_override, now);
        Ok(())
    }
}
