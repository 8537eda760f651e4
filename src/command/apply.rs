use crate::effect::{self, Effect};
use crate::error::Error;
use crate::server::{Arg, ArgKind, Args, Command, Context, KeyAccess, Spec, WriteKey};
use crate::value::{ENCODING, Value};

/// `RL._APPLY key RECORD instant units window_ms | SHIFT instant | REFUND instant units | RESET | LOAD payload`
pub struct Apply;

impl Command for Apply {
    const SPEC: Spec = Spec {
        name: effect::COMMAND,
        flags: c"write admin",
        acl_categories: c"admin dangerous write",
        arity: -3,
        access: KeyAccess::Update,
        summary: c"Internal: repeats an effect on a replica and from the append-only file.",
        complexity: c"O(log(N)) for N units in the log; LOAD is O(N).",
        args: &[
            Arg::new(c"effect", ArgKind::String),
            Arg::new(c"argument", ArgKind::String).repeated().may_be_left_out(),
        ],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let (name, mut args) = args.split_key().ok_or(Error::Arity)?;
        let word = args.next().ok_or(Error::Arity)?;
        if word.eq_ignore_ascii_case(effect::LOAD.to_bytes()) {
            let payload = args.next().ok_or(Error::Arity)?;
            if let Some(more) = args.next() {
                return Err(Error::Unexpected(more.into()));
            }
            let value = Value::load(ENCODING, payload).map_err(Error::Payload)?;
            // The expiry follows in a command of the server's own.
            let mut key = WriteKey::open(ctx, name)?;
            key.set(value);
            key.signal_modified();
        } else {
            let effect = Effect::parse(word, args)?;
            effect.apply(&mut WriteKey::open(ctx, name)?);
        }
        ctx.propagate_verbatim();
        ctx.reply().ok();
        Ok(())
    }
}
