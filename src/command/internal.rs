//! `RL._RECORD`, `RL._APPLY` and `RL._POLICY`. They apply effects on a replica and from the append-only file.

use super::commit::{apply, update_index};
use super::{KEY, POLICY_NAME};
use crate::error::Error;
use crate::request::{self, Bounds};
use crate::server::node::POLICIES;
use crate::server::{
    Arg, ArgKind, Args, Command, Context, KeyAccess, Keys, Registration, Spec, WriteKey,
};
use crate::state::effect::{self, Effect, Record};
use crate::state::policy_effect::{self, PolicyEffect};
use crate::state::{ENCODING, IndexChange, Value};

/// Registers the internal commands.
///
/// # Errors
/// The name of the command that the server rejects.
pub fn register(module: &Registration) -> Result<(), String> {
    module.command::<RecordUnits>()?;
    module.command::<Apply>()?;
    module.command::<ApplyPolicy>()
}

const INTERNAL: Spec =
    Spec { flags: c"write admin", acl_categories: c"admin dangerous write slow", ..Spec::COMMON };

/// `RL._RECORD instant units key window_ms [key window_ms ...]`
struct RecordUnits;

impl Command for RecordUnits {
    const SPEC: Spec = Spec {
        name: effect::RECORD,
        arity: -5,
        keys: Keys::Every { first: 3, step: 2, access: KeyAccess::Update },
        summary: c"Internal: records units.",
        complexity: c"O(K*log(N)) for K keys and N units in a log; commonly O(K).",
        args: &[
            Arg::new(c"instant", ArgKind::Integer),
            Arg::new(c"units", ArgKind::Integer),
            Arg::new(c"record", ArgKind::Block(&[KEY, Arg::new(c"window_ms", ArgKind::Integer)]))
                .repeated(),
        ],
        ..INTERNAL
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let mut args = args;
        let mut next = || args.next().ok_or(Error::Arity);
        let instant = request::parse_instant(next()?)?;
        let cost = request::parse_cost("units", next()?, &Bounds::WIDEST)?;
        let mut records = Vec::with_capacity(args.len() / 2);
        let mut remaining = args;
        while let Some((name, mut rest)) = remaining.split_key() {
            let window = request::parse_millis("window_ms", rest.next().ok_or(Error::Arity)?)?;
            records.push((name, Record { instant, cost, window }));
            remaining = rest;
        }
        // Check the types of all keys before changing the first.
        for (name, _) in &records {
            WriteKey::open(ctx, *name)?;
        }
        for (name, record) in records {
            apply(&Effect::Record(record), &mut WriteKey::open(ctx, name)?);
        }
        ctx.replicate_verbatim();
        ctx.reply().ok();
        Ok(())
    }
}

/// `RL._APPLY key SHIFT instant | REFUND instant units | RESET | OVERRIDE instant text | LOAD log text`
struct Apply;

impl Command for Apply {
    const SPEC: Spec = Spec {
        name: effect::APPLY,
        arity: -3,
        keys: Keys::First(KeyAccess::Update),
        summary: c"Internal: applies an effect to a key.",
        complexity: c"O(log(N)) for N units in the log; LOAD is O(N).",
        args: &[
            KEY,
            Arg::new(c"effect", ArgKind::String),
            Arg::new(c"argument", ArgKind::String).repeated().optional(),
        ],
        ..INTERNAL
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let (name, mut args) = args.split_key().ok_or(Error::Arity)?;
        let word = args.next().ok_or(Error::Arity)?;
        if word.eq_ignore_ascii_case(effect::LOAD.to_bytes()) {
            let mut next = || args.next().ok_or(Error::Arity);
            let (log, key_override) = (next()?, next()?);
            request::end(args)?;
            let value = Value::load(ENCODING, log, key_override).map_err(Error::Payload)?;
            // The server sets the expiry with a command of its own.
            let mut key = WriteKey::open(ctx, name)?;
            key.set(value);
            update_index(&mut key, IndexChange::Put);
            key.signal_modified();
        } else {
            let effect = Effect::parse(word, args)?;
            apply(&effect, &mut WriteKey::open(ctx, name)?);
        }
        ctx.replicate_verbatim();
        ctx.reply().ok();
        Ok(())
    }
}

/// `RL._POLICY SET json | DEL name | LOAD json`
struct ApplyPolicy;

impl Command for ApplyPolicy {
    const SPEC: Spec = Spec {
        name: policy_effect::COMMAND,
        arity: 3,
        summary: c"Internal: applies an effect to the policies.",
        complexity: c"O(P*log(P)) for P policies.",
        args: &[Arg::new(c"effect", ArgKind::String), POLICY_NAME],
        ..INTERNAL
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let mut args = args;
        let mut next = || args.next().ok_or(Error::Arity);
        let effect = PolicyEffect::parse(next()?, next()?)?;
        POLICIES.with(ctx, |policies| effect.apply(policies));
        ctx.replicate_verbatim();
        ctx.reply().ok();
        Ok(())
    }
}
