//! The policies in snapshots, as auxiliary data in JSON.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, Ordering};

use redis_module::raw::{self, RedisModuleCtx, RedisModuleIO};

use crate::server::api::{Context, ERROR, Global, OK, RdbReader, RdbWriter, api, guard};
use crate::server::node::POLICIES;
use crate::state::policy_json;
use crate::state::{ENCODING, Policies, policy_effect};

/// The policies are saved before the keys (`REDISMODULE_AUX_BEFORE_RDB`).
pub(super) const WHEN: c_int = 1;

/// The policies before a load. If the load fails, the server may continue with them.
static BEFORE_LOAD: Global<Option<Policies>> = Global::new();

/// Saves the policies. Used by servers without `aux_save2`.
pub(super) unsafe extern "C" fn save(io: *mut RedisModuleIO, _: c_int) {
    guard((), || {
        // SAFETY: called under the server's lock, or in a forked child, with the io of this callback.
        unsafe { RdbWriter::new(io).write(to_json().as_bytes()) };
    });
}

/// Saves the policies if there are any. A snapshot without auxiliary data loads without the module.
pub(super) unsafe extern "C" fn save_if_any(io: *mut RedisModuleIO, when: c_int) {
    guard((), || {
        // SAFETY: called under the server's lock, or in a forked child.
        unsafe {
            if POLICIES.with_lock_held(|policies| !policies.is_empty()) {
                save(io, when);
            }
        }
    });
}

/// # Safety
/// The server must hold its lock, or this must be a forked child.
unsafe fn to_json() -> String {
    // SAFETY: the caller guarantees it.
    unsafe { POLICIES.with_lock_held(|policies| policies.to_state_json()) }
}

pub(super) unsafe extern "C" fn load(io: *mut RedisModuleIO, encoding: c_int, _: c_int) -> c_int {
    guard(ERROR, || {
        // SAFETY: the io is that of the current callback.
        let reader = unsafe { RdbReader::new(io) };
        let loaded = match reader.read() {
            _ if encoding != ENCODING => Err(format!(
                "their encoding is {encoding}, but this version of ratelog reads {ENCODING}"
            )),
            None => Err("the text is truncated".into()),
            Some(text) => {
                policy_json::parse_changes(text.as_ref()).map_err(|error| error.to_string())
            }
        };
        match loaded {
            Ok(policies) => {
                // SAFETY: called under the server's lock.
                unsafe { POLICIES.with_lock_held(|current| current.replace(policies)) };
                OK
            }
            Err(reason) => {
                reader.log_rejection(&format!("the policies were rejected: {reason}"));
                ERROR
            }
        }
    })
}

/// Replaces all policies when a dataset is loaded, and restores them if the load fails.
pub(super) fn on_load(ctx: &Context<'_>, kind: u64) {
    match kind {
        raw::REDISMODULE_SUBEVENT_LOADING_ENDED => {
            if let Some(before) = BEFORE_LOAD.with(ctx, Option::take) {
                POLICIES.with(ctx, |policies| policies.continue_counts(&before));
            }
        }
        raw::REDISMODULE_SUBEVENT_LOADING_FAILED => {
            if let Some(before) = BEFORE_LOAD.with(ctx, Option::take) {
                POLICIES.with(ctx, |policies| *policies = before);
            }
        }
        _ => {
            let before = POLICIES.with(ctx, std::mem::take);
            BEFORE_LOAD.with(ctx, |saved| *saved = Some(before));
        }
    }
}

/// Writes the policies to an append-only file that a child of the server rewrites as commands, before its first value. A
/// file that is rewritten while it is off needs them here, because nothing follows it.
///
/// A node of a cluster passes values to another node in the same way, whose policies must not be replaced. It gets the
/// policies back from the other nodes.
///
/// # Safety
/// `io` must be that of the current callback.
pub(super) unsafe fn write_to_aof(io: *mut RedisModuleIO) {
    /// Whether this child has done so. The value in the parent stays unchanged.
    static WRITTEN: AtomicBool = AtomicBool::new(false);
    if WRITTEN.load(Ordering::Relaxed) {
        return;
    }
    // SAFETY: the caller guarantees it. Nothing else runs in a forked child. The format takes a C string, and bytes with
    // their length.
    unsafe {
        let ctx = Context::new(api!(RedisModule_GetContextFromIO)(io));
        let flags = ctx.flags();
        if flags & raw::REDISMODULE_CTX_FLAGS_IS_CHILD == 0
            || flags & raw::REDISMODULE_CTX_FLAGS_CLUSTER != 0
        {
            return;
        }
        WRITTEN.store(true, Ordering::Relaxed);
        if POLICIES.with_lock_held(|policies| policies.is_empty()) {
            return;
        }
        let text = to_json();
        api!(RedisModule_EmitAOF)(
            io,
            policy_effect::COMMAND.as_ptr(),
            c"cb".as_ptr(),
            policy_effect::LOAD.as_ptr(),
            text.as_ptr(),
            text.len(),
        );
    }
}

/// Replicates the policies again after the fork that rewrites the append-only file without an RDB preamble. Such a file
/// has no policies if it has no value of the module, so they must be in the file that follows it. Every other base
/// contains them as auxiliary data. The command counts as a change of the dataset, so it must not follow every fork: a snapshot would then be due
/// after each snapshot.
pub(super) fn on_fork(ctx: &Context<'_>, kind: u64) {
    let is_logged = ctx.flags() & raw::REDISMODULE_CTX_FLAGS_AOF != 0;
    let any = POLICIES.with(ctx, |policies| !policies.is_empty());
    if kind == raw::REDISMODULE_SUBEVENT_FORK_CHILD_BORN
        && is_logged
        && any
        && ctx.is_rewriting_aof_as_commands()
    {
        replicate_after(ctx, 0);
    }
}

fn replicate_after(ctx: &Context<'_>, millis: i64) {
    // SAFETY: the context is that of the current call. The function is static and takes no data.
    unsafe {
        api!(RedisModule_CreateTimer)(
            ctx.raw,
            millis,
            Some(replicate_policies),
            std::ptr::null_mut(),
        );
    }
}

unsafe extern "C" fn replicate_policies(ctx: *mut RedisModuleCtx, _: *mut c_void) {
    const RETRY_MS: i64 = 100;
    guard((), || {
        // SAFETY: the server passes the context of this call.
        let ctx = unsafe { Context::new(ctx) };
        // SAFETY: the function takes no arguments. It returns whether clients are paused.
        if unsafe { api!(RedisModule_AvoidReplicaTraffic)() } != 0 {
            return replicate_after(&ctx, RETRY_MS);
        }
        let text = POLICIES.with(&ctx, |policies| policies.to_state_json());
        ctx.replicate_policies(policy_effect::LOAD, &text);
    });
}
