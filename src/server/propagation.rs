//! When an effect has to be built for replicas and the append-only file.
//!
//! Building one costs a third of a check, and a server without either drops it unread. It may be skipped
//! where nothing can ever need it:
//!
//! - The append-only file needs it from the fork that writes its base on.
//! - A replica starts from a snapshot, made by a fork, and is sent what follows; a later partial
//!   resynchronisation is served from the backlog, and reaches back to such a fork at most. So an effect
//!   is needed from the first fork on at which a replica is connected, until the backlog is freed. What
//!   the replica was sent while it waited for that fork is nothing: its stream starts at the fork.
//! - A server that was a replica, or restarted from a snapshot with its replication id, has a backlog
//!   that other replicas can resume from without a fork.
//! - A cluster moves slots by other means.
//!
//! So whether it is needed is asked again after each fork, change of role, load, and change of a replica;
//! in between, nothing can come to need it. Skipped effects still count as changes to the dataset (for
//! `save` points): they are passed on verbatim, which the server counts and, having nowhere to pass them
//! to, drops before it looks at them.

use std::ffi::CStr;
use std::sync::atomic::{AtomicU8, Ordering};

use redis_module::raw;

use super::server_info::ServerInfo;
use super::{Context, KeyName, api};
use crate::effect::{self, Effect, Record};
use crate::{override_text, policy_effect};

const UNKNOWN: u8 = 0;
const NEEDED: u8 = 1;
const NOT_NEEDED: u8 = 2;

static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Makes the next effect ask again: something has happened that can make effects needed.
pub(super) fn forget() {
    STATE.store(UNKNOWN, Ordering::Relaxed);
}

/// Whether anything may come to need the effect of the current call.
pub(super) fn is_needed(ctx: &Context<'_>) -> bool {
    match STATE.load(Ordering::Relaxed) {
        NOT_NEEDED => false,
        UNKNOWN => {
            let needed = ask(ctx);
            STATE.store(if needed { NEEDED } else { NOT_NEEDED }, Ordering::Relaxed);
            needed
        }
        _ => true,
    }
}

#[cold]
fn ask(ctx: &Context<'_>) -> bool {
    let flags = ctx.flags();
    let needing = raw::REDISMODULE_CTX_FLAGS_AOF | raw::REDISMODULE_CTX_FLAGS_CLUSTER;
    flags & raw::REDISMODULE_CTX_FLAGS_MASTER == 0 || flags & needing != 0 || has_replicas(ctx)
}

/// Whether replicas are connected, or could resume from the backlog.
fn has_replicas(ctx: &Context<'_>) -> bool {
    let info = ServerInfo::section(ctx, c"replication");
    let none = |field| info.number(field) == Some(0);
    !(none(c"connected_slaves") && none(c"repl_backlog_active"))
}

/// Passes `effect` on as the internal command that repeats it.
pub(super) fn send(ctx: &Context<'_>, key: KeyName<'_>, effect: &Effect) {
    let apply = effect::APPLY.as_ptr();
    let replicate = api!(RedisModule_Replicate);
    // SAFETY: each format fits the arguments after it: s a string, c a C string, l a long long, b bytes
    // with their length.
    unsafe {
        match effect {
            Effect::Record(Record { instant, cost, window }) => replicate(
                ctx.raw,
                effect::RECORD.as_ptr(),
                c"llsl".as_ptr(),
                instant.unix_millis(),
                cost.units(),
                key.raw,
                window.millis(),
            ),
            Effect::Shift { instant } => replicate(
                ctx.raw,
                apply,
                c"scl".as_ptr(),
                key.raw,
                c"SHIFT".as_ptr(),
                instant.unix_millis(),
            ),
            Effect::Refund { instant, units } => replicate(
                ctx.raw,
                apply,
                c"scll".as_ptr(),
                key.raw,
                c"REFUND".as_ptr(),
                instant.unix_millis(),
                units.units(),
            ),
            Effect::Reset => replicate(ctx.raw, apply, c"sc".as_ptr(), key.raw, c"RESET".as_ptr()),
            Effect::Override { instant, put } => {
                let put = override_text::write(put.as_deref());
                replicate(
                    ctx.raw,
                    apply,
                    c"sclb".as_ptr(),
                    key.raw,
                    c"OVERRIDE".as_ptr(),
                    instant.unix_millis(),
                    put.as_ptr(),
                    put.len(),
                )
            }
        }
    };
}

/// Passes units recorded at several keys on, all at one instant and of one cost.
pub(super) fn send_records(ctx: &Context<'_>, records: &[(KeyName<'_>, Record)]) {
    let Some((_, first)) = records.first() else { return };
    let mut windows = Vec::with_capacity(records.len());
    let mut arguments = Vec::with_capacity(2 * records.len());
    // SAFETY: the context is that of the current call; the strings made here are freed here, once, after the
    // server has taken its own hold on them. The format takes two long longs, and strings with their count.
    unsafe {
        for (name, record) in records {
            let millis = record.window.millis().cast_signed();
            let window = api!(RedisModule_CreateStringFromLongLong)(ctx.raw, millis);
            windows.push(window);
            arguments.extend([name.raw, window]);
        }
        api!(RedisModule_Replicate)(
            ctx.raw,
            effect::RECORD.as_ptr(),
            c"llv".as_ptr(),
            first.instant.unix_millis(),
            first.cost.units(),
            arguments.as_ptr(),
            arguments.len(),
        );
        for window in windows {
            api!(RedisModule_FreeString)(ctx.raw, window);
        }
    }
}

/// Passes an effect on the policies on.
pub(super) fn send_policies(ctx: &Context<'_>, word: &CStr, text: &str) {
    let name = policy_effect::COMMAND.as_ptr();
    // SAFETY: the format takes a C string, and bytes with their length.
    unsafe {
        api!(RedisModule_Replicate)(
            ctx.raw,
            name,
            c"cb".as_ptr(),
            word.as_ptr(),
            text.as_ptr(),
            text.len(),
        );
    }
}
