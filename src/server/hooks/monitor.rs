//! Frees the names of keys in the sketches of `RL.TOP` when they have no use any more.

use std::ffi::{c_int, c_void};

use redis_module::raw::{self, RedisModuleCtx, RedisModuleFlushInfo, RedisModuleString};

use crate::config;
use crate::monitor::Monitor;
use crate::server::api::{Context, OK, guard};
use crate::server::node::MONITOR;

/// Handles a flush. The sketches don't know the keys' databases, so they forget the keys only with all databases.
pub(super) fn on_flush(ctx: &Context<'_>, kind: u64, info: &RedisModuleFlushInfo) {
    if kind == raw::REDISMODULE_SUBEVENT_FLUSHDB_END && info.dbnum < 0 {
        MONITOR.with(ctx, Monitor::forget_keys);
    }
}

/// Handles a change of `rl.top-k`. Redis 8 calls this also when it restores the value after a `CONFIG SET` that failed.
pub(super) unsafe extern "C" fn on_new_top_k(
    _: *mut RedisModuleCtx,
    _: *mut c_void,
    _: *mut *mut RedisModuleString,
) -> c_int {
    // SAFETY: the server calls this under its lock.
    guard((), || unsafe {
        MONITOR.with_lock_held(|monitor| monitor.forget_keys_unless(config::top_k()));
    });
    OK
}
