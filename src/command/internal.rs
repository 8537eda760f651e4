//! `RL._RECORD`, `RL._APPLY`, `RL._POLICY`: effects, on a replica and from the append-only file.

use super::{KEY, POLICY_NAME};
use crate::effect::{self, Effect, Record};
use crate::error::Error;
use crate::node::POLICIES;
use crate::policy_effect::{self, PolicyEffect};
use crate::request::{self, Bounds};
use crate::server::{
    Arg, ArgKind, Args, Command, Context, KeyAccess, Keys, Registration, Spec, WriteKey,
};
use crate::value::{ENCODING, Value};

/// Registers the internal commands.
///
/// # Errors
/// What the server did not take.
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
        summary: c"Internal: repeats the recording of units.",
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
        let mut left = args;
        while let Some((name, mut rest)) = left.split_key() {
            let window = request::parse_millis("window_ms", rest.next().ok_or(Error::Arity)?)?;
            records.push((name, Record { instant, cost, window }));
            left = rest;
        }
        // All keys are found to be right before the first is changed.
        for (name, _) in &records {
            WriteKey::open(ctx, *name)?;
        }
        for (name, record) in records {
            Effect::Record(record).apply(&mut WriteKey::open(ctx, name)?);
        }
        ctx.propagate_verbatim();
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
        summary: c"Internal: repeats an effect on a key.",
        complexity: c"O(log(N)) for N units in the log; LOAD is O(N).",
        args: &[
            KEY,
            Arg::new(c"effect", ArgKind::String),
            Arg::new(c"argument", ArgKind::String).repeated().may_be_left_out(),
        ],
        ..INTERNAL
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let (name, mut args) = args.split_key().ok_or(Error::Arity)?;
        let word = args.next().ok_or(Error::Arity)?;
        if word.eq_ignore_ascii_case(effect::LOAD.to_bytes()) {
            let mut next = || args.next().ok_or(Error::Arity);
            let (log, put) = (next()?, next()?);
            request::end(args)?;
            let value = Value::load(ENCODING, log, put).map_err(Error::Payload)?;
            let has_override = value.has_override();
            // The expiry follows in a command of the server's own.
            let mut key = WriteKey::open(ctx, name)?;
            key.set(value);
            key.list_override(has_override);
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

/// `RL._POLICY SET json | DEL name | LOAD json`
struct ApplyPolicy;

impl Command for ApplyPolicy {
    const SPEC: Spec = Spec {
        name: policy_effect::COMMAND,
        arity: 3,
        summary: c"Internal: repeats an effect on the policies.",
        complexity: c"O(P*log(P)) for P policies.",
        args: &[Arg::new(c"effect", ArgKind::String), POLICY_NAME],
        ..INTERNAL
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let mut args = args;
        let mut next = || args.next().ok_or(Error::Arity);
        let effect = PolicyEffect::parse(next()?, next()?)?;
        POLICIES.with(ctx, |policies| effect.apply(policies));
        ctx.propagate_verbatim();
        ctx.reply().ok();
        Ok(())
    }
}
