use super::commit::commit;
use super::{COST, KEY};
use crate::config;
use crate::error::Error;
use crate::request;
use crate::server::{Args, Command, Context, KeyAccess, Keys, Spec, WriteKey};
use crate::state::Effect;

/// `RL.REFUND key [COST n]`
pub struct Refund;

impl Command for Refund {
    const SPEC: Spec = Spec {
        name: c"RL.REFUND",
        flags: c"write fast",
        acl_categories: c"ratelog write fast",
        arity: -2,
        keys: Keys::First(KeyAccess::Update),
        tips: Some(c"nondeterministic_output"),
        summary: c"Takes a key's newest units back.",
        complexity: c"O(log(N)) for N units in the log, and O(B) for B blocks that become empty.",
        args: &[KEY, COST],
        ..Spec::COMMON
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let (name, args) = args.split_key().ok_or(Error::Arity)?;
        let request = request::Refund::parse(args, &config::bounds())?;
        let mut key = WriteKey::open(ctx, name)?;
        let now = ctx.now();

        let units = key.value().map_or(0, |value| value.units(now));
        let refunded = match units {
            0 => 0,
            _ => commit(&Effect::Refund { instant: now, units: request.units }, &mut key)?,
        };
        ctx.reply().integer(refunded.cast_signed());
        Ok(())
    }
}
