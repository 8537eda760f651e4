use super::KEY;
use super::commit::commit;
use crate::error::Error;
use crate::server::{Args, Command, Context, KeyAccess, Keys, Spec, WriteKey};
use crate::state::{Effect, Value};

/// `RL.RESET key`
pub struct Reset;

impl Command for Reset {
    const SPEC: Spec = Spec {
        name: c"RL.RESET",
        flags: c"write",
        acl_categories: c"ratelog write slow",
        arity: 2,
        keys: Keys::First(KeyAccess::Delete),
        tips: Some(c"nondeterministic_output"),
        summary: c"Deletes a key's units and keeps its override.",
        complexity: c"O(B) for B blocks of the log.",
        args: &[KEY],
        ..Spec::COMMON
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let name = args.only_key().ok_or(Error::Arity)?;
        let mut key = WriteKey::open(ctx, name)?;
        let now = ctx.now();

        let removed = key.value().map_or(0, |value| value.units(now));
        // A reset has no instant, so it does not remove an override that has ended.
        let has_ended =
            |value: &Value| value.key_override().is_some_and(|found| !found.is_live(now));
        if key.value().is_some_and(|value| has_ended(value)) {
            commit(&Effect::Override { instant: now, key_override: None }, &mut key)?;
        }
        if key.value().is_some_and(|value| !value.log.is_empty()) {
            commit(&Effect::Reset, &mut key)?;
        }
        ctx.reply().integer(removed.cast_signed());
        Ok(())
    }
}
