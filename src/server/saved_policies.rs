//! What a snapshot holds besides keys: the policies, as JSON.

use std::ffi::{c_int, c_void};

use redis_module::raw::{self, RedisModuleCtx, RedisModuleIO};

use super::data_type::{Text, log_refusal, save_text};
use super::guard::guard;
use super::{Context, OK, api};
use crate::node::POLICIES;
use crate::policies::Policies;
use crate::policy_json::{self, Allowance};
use crate::{policy_effect, value};

/// Saved before the keys (`REDISMODULE_AUX_BEFORE_RDB`).
pub(super) const WHEN: c_int = 1;

const ERROR: c_int = 1;

/// What there was before a load, in case that fails: a server may then go on with what it had.
static BEFORE_LOAD: super::Global<Option<Policies>> = super::Global::new();

/// Where the server cannot leave it out, and saves nothing for an empty text.
pub(super) unsafe extern "C" fn save(io: *mut RedisModuleIO, _: c_int) {
    // SAFETY: called under the server's lock, or in a forked child.
    guard((), || save_text(io, unsafe { json() }.as_bytes()));
}

/// Where the server leaves it out if nothing is saved: it then loads without the module.
pub(super) unsafe extern "C" fn save_if_any(io: *mut RedisModuleIO, when: c_int) {
    guard((), || {
        // SAFETY: called under the server's lock, or in a forked child.
        unsafe {
            if POLICIES.with_lock_held(|policies| policies.len() > 0) {
                save(io, when);
            }
        }
    });
}

/// # Safety
/// The server must be holding its lock, or this be a forked child.
unsafe fn json() -> String {
    // SAFETY: as the caller promises.
    unsafe { POLICIES.with_lock_held(|policies| policies.to_json()) }
}

pub(super) unsafe extern "C" fn load(io: *mut RedisModuleIO, encoding: c_int, _: c_int) -> c_int {
    guard(ERROR, || {
        let loaded = match Text::load(io) {
            _ if encoding != value::ENCODING => Err(format!(
                "their encoding is {encoding}, and this version knows {}",
                value::ENCODING
            )),
            None => Err("the text is cut short".into()),
            Some(text) => policy_json::read(text.bytes(), &Allowance::WIDEST)
                .map_err(|error| error.to_string()),
        };
        match loaded {
            Ok(policies) => {
                // SAFETY: called under the server's lock.
                unsafe { POLICIES.with_lock_held(|entry| entry.replace(policies)) };
                OK
            }
            Err(reason) => {
                log_refusal(io, &format!("the policies were refused: {reason}"));
                ERROR
            }
        }
    })
}

/// What is loaded takes the place of what there was.
pub(super) fn loading(ctx: &Context<'_>, kind: u64) {
    match kind {
        raw::REDISMODULE_SUBEVENT_LOADING_ENDED => {
            if let Some(before) = BEFORE_LOAD.with(ctx, Option::take) {
                POLICIES.with(ctx, |policies| policies.take_on_counts(&before));
            }
        }
        raw::REDISMODULE_SUBEVENT_LOADING_FAILED => {
            if let Some(before) = BEFORE_LOAD.with(ctx, Option::take) {
                POLICIES.with(ctx, |policies| *policies = before);
            }
        }
        _ => {
            let before = POLICIES.with(ctx, std::mem::take);
            BEFORE_LOAD.with(ctx, |entry| *entry = Some(before));
        }
    }
}

/// A rewrite of the append-only file without a snapshot at its head begins with no policies: they are passed on
/// again, after the fork and so into the file that follows the rewritten one.
pub(super) fn forked(ctx: &Context<'_>, kind: u64) {
    let is_logged = ctx.flags() & raw::REDISMODULE_CTX_FLAGS_AOF != 0;
    let any = POLICIES.with(ctx, |policies| policies.len() > 0);
    if kind == raw::REDISMODULE_SUBEVENT_FORK_CHILD_BORN && is_logged && any {
        pass_on_in(ctx, 0);
    }
}

fn pass_on_in(ctx: &Context<'_>, millis: i64) {
    // SAFETY: the context is that of the current call; the function stays, and takes no data.
    unsafe {
        api!(RedisModule_CreateTimer)(ctx.raw, millis, Some(pass_on), std::ptr::null_mut());
    }
}

unsafe extern "C" fn pass_on(ctx: *mut RedisModuleCtx, _: *mut c_void) {
    const PAUSE: i64 = 100;
    guard((), || {
        // SAFETY: the server passes the context of this call.
        let ctx = unsafe { Context::new(ctx) };
        // SAFETY: takes nothing, and tells whether clients are paused.
        if unsafe { api!(RedisModule_AvoidReplicaTraffic)() } != 0 {
            return pass_on_in(&ctx, PAUSE);
        }
        let text = POLICIES.with(&ctx, |policies| policies.to_json());
        ctx.propagate_policies(policy_effect::LOAD, &text);
    });
}
