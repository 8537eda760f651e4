use super::{COUNT, KEY, reply};
use crate::error::Error;
use crate::request::parse_count;
use crate::server::{Args, Command, Context, KeyAccess, Keys, ReadKey, Spec};

/// `RL.HITS key [COUNT n]`
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
        complexity: c"O(M) for M hits listed.",
        args: &[KEY, COUNT],
        ..Spec::COMMON
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let (name, args) = args.split_key().ok_or(Error::Arity)?;
        let count = parse_count(args)?.unwrap_or(usize::MAX);
        let key = ReadKey::open(ctx, name)?;
        let now = ctx.now();

        let hits = key.value().map(|value| value.log.at(now).newest_hits(count));
        reply::hits(ctx, &hits.unwrap_or_default());
        Ok(())
    }
}
