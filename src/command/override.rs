//! `RL.OVERRIDE SET|GET|DEL|LIST|HELP`

use std::ffi::CStr;

use ratelog_core::Instant;

use super::commit::commit;
use super::help::{Family, register_family};
use super::{COUNT, KEY, RULES, reply};
use crate::config;
use crate::error::Error;
use crate::request::{self, parse_count};
use crate::server::node::OVERRIDES;
use crate::server::{
    Arg, ArgKind, Args, Command, Context, KeyAccess, Keys, ReadKey, Registration, Spec, WriteKey,
};
use crate::state::{Effect, KeyLocation};

const FAMILY: &CStr = c"RL.OVERRIDE";

/// Registers the family.
///
/// # Errors
/// The name of the command that the server rejects.
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
    const SUMMARY: &CStr = c"Commands that set, read and remove overrides of keys.";
    const SUBCOMMANDS: &[(&CStr, &CStr)] = &[
        (
            c"SET <key> ALLOW|DENY|LIMIT <limit> <window> [...] [EX <seconds>|PX <milliseconds>]",
            c"Allows or denies all checks of a key, or applies other rules to it.",
        ),
        (c"GET <key>", c"Returns a key's override."),
        (c"DEL <key>", c"Deletes a key's override."),
        (c"LIST [COUNT <n>]", c"Lists the node's keys with overrides."),
    ];
}

const SUBCOMMAND: Spec = Spec { parent: Some(FAMILY), ..Spec::COMMON };

/// `RL.OVERRIDE SET key ALLOW|DENY|LIMIT limit window [limit window ...] [EX seconds|PX milliseconds]`
struct Set;

impl Command for Set {
    const SPEC: Spec = Spec {
        name: c"SET",
        flags: c"write",
        acl_categories: c"ratelog write slow",
        arity: -4,
        keys: Keys::First(KeyAccess::Update),
        summary: c"Allows or denies all checks of a key, or applies other rules to it.",
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
                c"expiration",
                ArgKind::OneOf(&[
                    Arg::new(c"seconds", ArgKind::Integer).after(c"EX"),
                    Arg::new(c"milliseconds", ArgKind::Integer).after(c"PX"),
                ]),
            )
            .optional(),
        ],
        ..SUBCOMMAND
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let (name, args) = args.split_key().ok_or(Error::Arity)?;
        let request = request::Override::parse(args, &config::bounds())?;
        let mut key = WriteKey::open(ctx, name)?;
        let now = ctx.now();

        let key_override = Some(Box::new(request.at(now)));
        commit(&Effect::Override { instant: now, key_override }, &mut key)?;
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
        tips: Some(c"nondeterministic_output"),
        summary: c"Returns a key's override.",
        args: &[KEY],
        ..SUBCOMMAND
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let name = args.only_key().ok_or(Error::Arity)?;
        let key = ReadKey::open(ctx, name)?;
        let now = ctx.now();

        let found = key.value().and_then(|value| value.live_override(now));
        reply::key_override(&ctx.reply(), found, now);
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
        summary: c"Deletes a key's override.",
        args: &[KEY],
        ..SUBCOMMAND
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let name = args.only_key().ok_or(Error::Arity)?;
        let mut key = WriteKey::open(ctx, name)?;
        let now = ctx.now();

        let exists = key.value().is_some_and(|value| value.live_override(now).is_some());
        if exists {
            commit(&Effect::Override { instant: now, key_override: None }, &mut key)?;
        }
        ctx.reply().integer(exists.into());
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
        tips: Some(c"nondeterministic_output request_policy:all_shards response_policy:special"),
        summary: c"Lists the node's keys with overrides.",
        complexity: c"O(O*log(O)) for O overrides.",
        args: &[COUNT],
        ..SUBCOMMAND
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let count = parse_count(args)?.unwrap_or(usize::MAX);
        let now = ctx.now();
        reply::overrides(ctx, &live_overrides(ctx, now, count), now);
        Ok(())
    }
}

/// Returns the node's overrides that have not ended at `now`, ordered by database and key, and at most `count` of them.
fn live_overrides(
    ctx: &Context<'_>,
    now: Instant,
    count: usize,
) -> Vec<(KeyLocation, ratelog_core::Override)> {
    let mut found = Vec::new();
    let is_replica = ctx.is_replica();
    for location in OVERRIDES.with(ctx, |overrides| overrides.locations()) {
        if found.len() == count {
            break;
        }
        let (database, name) = &location;
        match ctx.in_database(*database, |ctx| ctx.override_of(name)) {
            Some(key_override) if key_override.is_live(now) => found.push((location, key_override)),
            // The next effect on the key removes the ended override and its entry.
            Some(_) => {}
            // A replica cannot read an expired key, but stores it until the primary deletes it. The primary may also
            // persist the key.
            None if is_replica => {}
            None => OVERRIDES.with(ctx, |overrides| overrides.remove(&location)),
        }
    }
    found
}
