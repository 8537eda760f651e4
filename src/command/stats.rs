use super::reply;
use crate::error::Error;
use crate::monitor::Monitor;
use crate::request;
use crate::server::node::{MONITOR, POLICIES};
use crate::server::{Arg, Args, Command, Context, Spec};
use crate::state::Policies;

/// `RL.STATS [RESET]`
pub struct Stats;

impl Command for Stats {
    const SPEC: Spec = Spec {
        name: c"RL.STATS",
        flags: c"readonly",
        acl_categories: c"ratelog read slow",
        arity: -1,
        tips: Some(c"nondeterministic_output request_policy:all_shards response_policy:special"),
        summary: c"Returns the node's counts of checks by result, in total and for each policy.",
        complexity: c"O(P*log(P)) for P policies.",
        args: &[Arg::word(c"reset", c"RESET").optional()],
        ..Spec::COMMON
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let mut args = args;
        let reset = match args.next() {
            None => false,
            Some(word) if request::is(word, "RESET") => true,
            Some(word) => return Err(Error::UnknownKeyword(word.into())),
        };
        request::end(args)?;

        let totals = MONITOR.with(ctx, |monitor| monitor.totals);
        POLICIES.with(ctx, |policies| reply::stats(ctx, &totals, &policies.sorted()));
        if reset {
            MONITOR.with(ctx, Monitor::reset);
            POLICIES.with(ctx, Policies::reset_counts);
        }
        Ok(())
    }
}
