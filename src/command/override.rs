//! `RL.OVERRIDE SET|GET|DEL|LIST|HELP`

use std::ffi::CStr;
use std::sync::Arc;

use super::commit::commit;
use super::help::{Family, register_family};
use super::{COUNT, KEY, RULES, reply};
use crate::config;
use crate::error::Error;
use crate::request::{self, Pattern};
use crate::server::node::OVERRIDES;
use crate::server::{
    Arg, ArgKind, Args, Command, Context, KeyAccess, Keys, ReadKey, Registration, Spec, WriteKey,
};
use crate::state::{Effect, OverridePage};

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
        (
            c"LIST [CURSOR <cursor>] [MATCH <pattern>] [COUNT <n>]",
            c"Lists the node's keys with overrides, one page per call.",
        ),
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

        let key_override = Some(Arc::new(request.at(now)));
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

/// `RL.OVERRIDE LIST [CURSOR cursor] [MATCH pattern] [COUNT n]`
struct List;

impl Command for List {
    const SPEC: Spec = Spec {
        name: c"LIST",
        flags: c"readonly",
        acl_categories: c"ratelog read slow",
        arity: -2,
        tips: Some(c"nondeterministic_output request_policy:special response_policy:special"),
        summary: c"Lists the node's keys with overrides, one page per call.",
        complexity: c"O(M*log(O)) for O overrides, of which the page contains M.",
        args: &[
            Arg::new(c"cursor", ArgKind::Integer).optional_after(c"CURSOR"),
            Arg::new(c"pattern", ArgKind::String).optional_after(c"MATCH"),
            COUNT,
        ],
        ..SUBCOMMAND
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let request = request::OverrideList::parse(args)?;
        let now = ctx.now();
        let OverridePage { mut overrides, next } = OVERRIDES.with(ctx, |overrides| {
            let search = |name: &[u8]| {
                let steps = request.pattern.as_ref().map_or(0, |pattern| pattern.steps(name));
                steps.min(Pattern::MAX_STEPS)
            };
            let work = |name: &[u8]| name.len().saturating_add(search(name));
            overrides.page(request.cursor, request.count, work)
        });
        let may_miss_keys = ctx.may_miss_keys();
        overrides.retain(|((database, name), key_override)| {
            key_override.is_live(now)
                && request.pattern.as_ref().is_none_or(|pattern| pattern.matches(name))
                // The key of an override may have expired by itself.
                && (may_miss_keys || ctx.in_database(*database, |ctx| ctx.has_override(name)))
        });
        reply::overrides(ctx, next, &overrides, now);
        Ok(())
    }
}
