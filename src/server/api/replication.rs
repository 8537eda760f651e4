//! Replicates effects to replicas and the append-only file, and decides whether an effect must be built at all.
//!
//! Building an effect costs a third of a check, and a server without replicas and append-only file discards it. So
//! effects are skipped while nothing can ever need them. An effect is needed if the dataset without it may be continued
//! by a stream that should contain it. A dataset leaves the server in these ways only, and each is announced by an event:
//!
//! | the dataset leaves | event |
//! | --- | --- |
//! | in a forked child: `BGSAVE`, a full synchronization, the base of the append-only file | fork |
//! | in a snapshot that the server writes itself: `SAVE`, `FLUSHALL` with save points, `SHUTDOWN`, `DEBUG RELOAD` | persistence |
//! | with the process, when it becomes a replica and continues at its own offset | change of role |
//!
//! A stream that continues such a dataset is one of:
//!
//! - The append-only file, which follows a base that a fork or the start of the server wrote.
//! - The backlog. It exists from the first attached replica until it expires. A snapshot holds the replication ID and the
//!   offset only while there is a backlog, and a server that creates or frees a backlog takes another ID, so nothing
//!   resumes across that. A server that loads a snapshot with an ID may create a backlog: the load is announced.
//! - The connection of a replica, which starts at the offset of its fork.
//! - The migration of a slot in a cluster, where effects are always needed.
//!
//! A replica that attaches creates the backlog without an event, but no dataset has left the server since. So the check
//! is repeated after each fork, snapshot, load and change of role, and additionally when a replica goes online or
//! offline. Between these events, effects that are not needed cannot become needed.
//!
//! Skipped effects still count as changes of the dataset (for `save` points): the call is replicated verbatim, so the
//! server counts it. Calls that reach the backlog in this way precede every dataset that can be continued.

use std::ffi::CStr;
use std::sync::atomic::{AtomicU8, Ordering};

use redis_module::raw;

use super::server_info::ServerInfo;
use super::{Context, KeyName, api};
use crate::state::effect::{self, Effect, Record};
use crate::state::{override_codec, policy_effect};

const UNKNOWN: u8 = 0;
const NEEDED: u8 = 1;
const NOT_NEEDED: u8 = 2;

static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);

impl Context<'_> {
    /// Counts a change of the dataset and replicates `effect` to replicas and the append-only file.
    pub fn replicate(&self, key: KeyName<'_>, effect: &Effect) {
        if is_needed(self) {
            send(self, key, effect);
        } else {
            self.replicate_verbatim();
        }
    }

    /// Like [`Self::replicate`], for units recorded at several keys as one effect. Does nothing if `records` is empty.
    pub fn replicate_records<'k>(&self, records: impl Iterator<Item = (KeyName<'k>, Record)>) {
        let mut records = records.peekable();
        if records.peek().is_none() {
            return;
        }
        if is_needed(self) {
            send_records(self, &records.collect::<Vec<_>>());
        } else {
            self.replicate_verbatim();
        }
    }

    /// Counts a change of the dataset and replicates an effect on the policies.
    pub fn replicate_policies(&self, word: &CStr, text: &str) {
        send_policies(self, word, text);
    }
}

/// Makes the next effect repeat the check. Called after an event that can make effects needed.
pub fn invalidate() {
    STATE.store(UNKNOWN, Ordering::Relaxed);
}

/// Returns whether anything can need the effect of the current call.
fn is_needed(ctx: &Context<'_>) -> bool {
    match STATE.load(Ordering::Relaxed) {
        NOT_NEEDED => false,
        UNKNOWN => {
            let needed = check(ctx);
            STATE.store(if needed { NEEDED } else { NOT_NEEDED }, Ordering::Relaxed);
            needed
        }
        _ => true,
    }
}

#[cold]
fn check(ctx: &Context<'_>) -> bool {
    let flags = ctx.flags();
    let needing = raw::REDISMODULE_CTX_FLAGS_AOF | raw::REDISMODULE_CTX_FLAGS_CLUSTER;
    flags & raw::REDISMODULE_CTX_FLAGS_MASTER == 0 || flags & needing != 0 || has_replicas(ctx)
}

/// Returns whether replicas are connected or can resume from the backlog.
fn has_replicas(ctx: &Context<'_>) -> bool {
    let info = ServerInfo::section(ctx, c"replication");
    let none = |field| info.number(field) == Some(0);
    !(none(c"connected_slaves") && none(c"repl_backlog_active"))
}

/// Replicates `effect` as the internal command that repeats it.
fn send(ctx: &Context<'_>, key: KeyName<'_>, effect: &Effect) {
    let apply = effect::APPLY.as_ptr();
    let replicate = api!(RedisModule_Replicate);
    // SAFETY: each format matches its arguments: s is a string, c a C string, l a long long, b bytes with their length.
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
            Effect::Override { instant, key_override } => {
                let text = override_codec::encode(key_override.as_deref());
                replicate(
                    ctx.raw,
                    apply,
                    c"sclb".as_ptr(),
                    key.raw,
                    c"OVERRIDE".as_ptr(),
                    instant.unix_millis(),
                    text.as_ptr(),
                    text.len(),
                )
            }
        }
    };
}

/// Replicates units that are recorded at several keys at the same instant and with the same cost.
fn send_records(ctx: &Context<'_>, records: &[(KeyName<'_>, Record)]) {
    let Some((_, first)) = records.first() else { return };
    let mut windows = Vec::with_capacity(records.len());
    let mut arguments = Vec::with_capacity(2 * records.len());
    // SAFETY: the context is that of the current call. The strings created here are freed once, after the server has
    // retained them. The format takes two long longs, and strings with their count.
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

/// Replicates an effect on the policies.
fn send_policies(ctx: &Context<'_>, word: &CStr, text: &str) {
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
