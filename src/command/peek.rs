use ratelog_core::{Log, peek};

use super::RULES_AND_COST;
use crate::error::Error;
use crate::reply;
use crate::request::{self, Bounds};
use crate::server::{Args, Command, Context, KeyAccess, ReadKey, Spec};

/// `RL.PEEK key limit window [limit window ...] [COST n]`
pub struct Peek;

impl Command for Peek {
    const SPEC: Spec = Spec {
        name: c"RL.PEEK",
        flags: c"readonly fast",
        acl_categories: c"ratelog read fast",
        arity: -4,
        access: KeyAccess::Read,
        summary:
            c"Decides whether a key may use more units under its rules, without recording them.",
        complexity: c"O(R*log(N)) for R rules and N units in the log.",
        args: RULES_AND_COST,
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let (name, args) = args.split_key().ok_or(Error::Arity)?;
        let request = request::Check::parse(args, &Bounds::default())?;
        let key = ReadKey::open(ctx, name)?;
        let now = ctx.now();

        let none = Log::new();
        let log = key.value().map_or(&none, |value| &value.log);
        reply::decision(ctx, &peek(log, now, &request.rules, request.cost));
        Ok(())
    }
}
