use super::{KEY, reply};
use crate::error::Error;
use crate::server::{Args, Command, Context, KeyAccess, Keys, ReadKey, Spec};

/// `RL.INSPECT key`
pub struct Inspect;

impl Command for Inspect {
    const SPEC: Spec = Spec {
        name: c"RL.INSPECT",
        flags: c"readonly",
        acl_categories: c"ratelog read slow",
        arity: 2,
        keys: Keys::First(KeyAccess::Read),
        tips: Some(c"nondeterministic_output"),
        summary: c"Returns the state of a key's log and its override.",
        complexity: c"O(B) for B blocks of the log.",
        args: &[KEY],
        ..Spec::COMMON
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let name = args.only_key().ok_or(Error::Arity)?;
        let key = ReadKey::open(ctx, name)?;
        let now = ctx.now();

        reply::inspection(ctx, key.value(), now);
        Ok(())
    }
}
