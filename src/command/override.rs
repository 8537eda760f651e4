//! `RL.OVERRIDE SET|GET|DEL|LIST|HELP`

use std::ffi::CStr;

use super::help::{Family, register_family};
use super::{COUNT, KEY, RULES};
use crate::config;
use crate::effect::Effect;
use crate::error::Error;
use crate::reply;
use crate::request::{self, parse_count};
use crate::server::{
    Arg, ArgKind, Args, Command, Context, KeyAccess, Keys, ReadKey, Registration, Spec, WriteKey,
    live_overrides,
};

const FAMILY: &CStr = c"RL.OVERRIDE";

/// Registers the family.
///
/// # Errors
/// What the server did not take.
pub fn register(module: &Registration) -> Result<(), String> {
    register_family::<Overrides>(module)?;
    module.command::<Set>()?;
    module.command::<Get>()?;
    module.command::<Del>()?;
    module.command::<List>()
}

struct Overrides;

impl Family for Overrides {
    const NAME: &CStr = FAMILY;
    const SUMMARY: &CStr = c"Commands about overrides: what an operator puts on one key.";
    const SUBCOMMANDS: &[(&CStr, &CStr)] = &[
        (
            c"SET <key> ALLOW|DENY|LIMIT <limit> <window> [...] [EX <seconds>|PX <milliseconds>]",
            c"Makes a key's checks be allowed, denied, or decided by other rules, for a time or for good.",
        ),
        (c"GET <key>", c"Tells a key's override."),
        (c"DEL <key>", c"Takes a key's override away."),
        (c"LIST [COUNT <n>]", c"Lists the keys of the node that have overrides."),
    ];
}

const OF_THE_FAMILY: Spec = Spec { parent: Some(FAMILY), ..Spec::COMMON };

/// `RL.OVERRIDE SET key ALLOW|DENY|LIMIT limit window [limit window ...] [EX seconds|PX milliseconds]`
struct Set;

impl Command for Set {
    const SPEC: Spec = Spec {
        name: c"SET",
        flags: c"write",
        acl_categories: c"ratelog write slow",
        arity: -4,
        keys: Keys::First(KeyAccess::Update),
        summary: c"Makes a key's checks be allowed, denied, or decided by other rules.",
        args: &[
            KEY,
            Arg::new(
                c"action",
                ArgKind::OneOf(&[
                    Arg::word(c"allow", c"ALLOW"),
                    Arg::word(c"deny", c"DENY"),
                    Arg::new(
                        c"limit",
                        ArgKind::Block(&[Arg::word(c"limit-token", c"LIMIT"), RULES]),
                    ),
                ]),
            ),
            Arg::new(
                c"lasts",
                ArgKind::OneOf(&[
                    Arg::new(c"seconds", ArgKind::Integer).after(c"EX"),
                    Arg::new(c"milliseconds", ArgKind::Integer).after(c"PX"),
                ]),
            )
            .may_be_left_out(),
        ],
        ..OF_THE_FAMILY
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let (name, args) = args.split_key().ok_or(Error::Arity)?;
        let request = request::Override::parse(args, &config::bounds())?;
        let mut key = WriteKey::open(ctx, name)?;
        let now = ctx.now();

        let put = Some(Box::new(request.at(now)));
        Effect::Override { instant: now, put }.commit(&mut key)?;
        ctx.reply().ok();
        Ok(())
    }
}

/// `RL.OVERRIDE GET key`
struct Get;

impl Command for Get {
    const SPEC: Spec = Spec {
        name: c"GET",
        flags: c"readonly fast",
        acl_categories: c"ratelog read fast",
        arity: 3,
        keys: Keys::First(KeyAccess::Read),
        summary: c"Tells a key's override.",
        args: &[KEY],
        ..OF_THE_FAMILY
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let name = args.only_key().ok_or(Error::Arity)?;
        let key = ReadKey::open(ctx, name)?;
        let now = ctx.now();

        reply::put(&ctx.reply(), key.value().and_then(|value| value.live_override(now)), now);
        Ok(())
    }
}

/// `RL.OVERRIDE DEL key`
struct Del;

impl Command for Del {
    const SPEC: Spec = Spec {
        name: c"DEL",
        flags: c"write fast",
        acl_categories: c"ratelog write fast",
        arity: 3,
        keys: Keys::First(KeyAccess::Delete),
        summary: c"Takes a key's override away.",
        args: &[KEY],
        ..OF_THE_FAMILY
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let name = args.only_key().ok_or(Error::Arity)?;
        let mut key = WriteKey::open(ctx, name)?;
        let now = ctx.now();

        let is_there = key.value().is_some_and(|value| value.live_override(now).is_some());
        if is_there {
            Effect::Override { instant: now, put: None }.commit(&mut key)?;
        }
        ctx.reply().integer(is_there.into());
        Ok(())
    }
}

/// `RL.OVERRIDE LIST [COUNT n]`
struct List;

impl Command for List {
    const SPEC: Spec = Spec {
        name: c"LIST",
        flags: c"readonly",
        acl_categories: c"ratelog read slow",
        arity: -2,
        tips: Some(c"request_policy:all_shards response_policy:special"),
        summary: c"Lists the keys of the node that have overrides.",
        complexity: c"O(O*log(O)) for O overrides.",
        args: &[COUNT],
        ..OF_THE_FAMILY
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let count = parse_count(args)?.unwrap_or(usize::MAX);
        let now = ctx.now();
        reply::overrides(ctx, &live_overrides(ctx, now, count), now);
        Ok(())
    }
}
