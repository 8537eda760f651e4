use super::{COUNT, reply};
use crate::config;
use crate::error::Error;
use crate::monitor::Ranking;
use crate::request::{self, parse_count};
use crate::server::node::MONITOR;
use crate::server::{Arg, ArgKind, Args, Command, Context, Spec};

/// `RL.TOP DENIED|CHECKED [COUNT n]`
pub struct Top;

/// The number of keys in a reply without `COUNT`.
const DEFAULT_COUNT: usize = 10;

impl Command for Top {
    const SPEC: Spec = Spec {
        name: c"RL.TOP",
        flags: c"readonly",
        acl_categories: c"ratelog read slow",
        arity: -2,
        tips: Some(c"nondeterministic_output request_policy:all_shards response_policy:special"),
        summary: c"Returns the node's keys with the most checks or denials in recent minutes.",
        complexity: c"O(K*log(K)) for K tracked keys (rl.top-k).",
        args: &[
            Arg::new(
                c"ranking",
                ArgKind::OneOf(&[
                    Arg::word(c"denied", c"DENIED"),
                    Arg::word(c"checked", c"CHECKED"),
                ]),
            ),
            COUNT,
        ],
        ..Spec::COMMON
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let mut args = args;
        let ranking = match args.next().ok_or(Error::Arity)? {
            word if request::is(word, "DENIED") => Ranking::Denied,
            word if request::is(word, "CHECKED") => Ranking::Checked,
            word => return Err(Error::UnknownKeyword(word.into())),
        };
        let count = parse_count(args)?.unwrap_or(DEFAULT_COUNT);
        let now = ctx.now();
        MONITOR.with(ctx, |monitor| {
            reply::top(ctx, &monitor.top(ranking, now, config::top_k(), count));
        });
        Ok(())
    }
}
