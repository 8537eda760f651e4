use crate::effect::Effect;
use crate::error::Error;
use crate::server::{Args, Command, Context, KeyAccess, Spec, WriteKey};

/// `RL.RESET key`
pub struct Reset;

impl Command for Reset {
    const SPEC: Spec = Spec {
        name: c"RL.RESET",
        flags: c"write fast",
        acl_categories: c"ratelog write fast",
        arity: 2,
        access: KeyAccess::Delete,
        summary: c"Forgets a key's units.",
        complexity: c"O(B) for B blocks of the log.",
        args: &[],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let name = args.only_key().ok_or(Error::Arity)?;
        let mut key = WriteKey::open(ctx, name)?;
        let now = ctx.now();

        let forgotten = key.value().map(|value| value.units(now));
        if forgotten.is_some() {
            Effect::Reset.commit(&mut key)?;
        }
        ctx.reply().integer(forgotten.unwrap_or_default().cast_signed());
        Ok(())
    }
}
