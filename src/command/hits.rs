use super::{COUNT, KEY, reply};
use crate::error::Error;
use crate::request;
use crate::server::{Arg, ArgKind, Args, Command, Context, KeyAccess, Keys, ReadKey, Spec};

/// `RL.HITS key [COUNT n] [BEFORE ms] [AFTER ms]`
pub struct Hits;

impl Command for Hits {
    const SPEC: Spec = Spec {
        name: c"RL.HITS",
        flags: c"readonly",
        acl_categories: c"ratelog read slow",
        arity: -2,
        keys: Keys::First(KeyAccess::Read),
        tips: Some(c"nondeterministic_output"),
        summary: c"Lists a key's units by the time they were recorded, newest first.",
        complexity: c"O(log(N)+M) for N units in the log and M hits listed.",
        args: &[
            KEY,
            COUNT,
            Arg::new(c"before", ArgKind::Integer).optional_after(c"BEFORE"),
            Arg::new(c"after", ArgKind::Integer).optional_after(c"AFTER"),
        ],
        ..Spec::COMMON
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let (name, args) = args.split_key().ok_or(Error::Arity)?;
        let request = request::Hits::parse(args)?;
        let key = ReadKey::open(ctx, name)?;
        let now = ctx.now();

        let hits = key.value().map(|value| value.log.at(now).hits(request.range, request.count));
        reply::hits(ctx, &hits.unwrap_or_default());
        Ok(())
    }
}
