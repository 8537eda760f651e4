//! What the server tells of itself.
//!
//! A module has one function for each kind of event: a second subscription silently takes the place of
//! the first. So there is one function for all of them, which tells each part that wants to know.

use std::ffi::c_void;

use redis_module::raw::{self, RedisModuleCtx, RedisModuleEvent};

use super::guard::guard;
use super::{Context, OK, api, override_list, propagation, saved_policies};

/// Asks the server to tell of all that any part wants to know. Returns whether it will.
pub(super) fn watch(ctx: *mut RedisModuleCtx) -> bool {
    let events = [
        raw::REDISMODULE_EVENT_FORK_CHILD,
        raw::REDISMODULE_EVENT_REPLICATION_ROLE_CHANGED,
        raw::REDISMODULE_EVENT_REPLICA_CHANGE,
        raw::REDISMODULE_EVENT_LOADING,
        raw::REDISMODULE_EVENT_FLUSHDB,
        raw::REDISMODULE_EVENT_SWAPDB,
    ];
    events.iter().all(|&id| {
        let event = RedisModuleEvent { id, dataver: 1 };
        // SAFETY: called while the module is loaded, with its context and a function that stays.
        unsafe { api!(RedisModule_SubscribeToServerEvent)(ctx, event, Some(told)) == OK }
    })
}

/// `info` is of the type that belongs to the event.
unsafe extern "C" fn told(
    ctx: *mut RedisModuleCtx,
    event: RedisModuleEvent,
    kind: u64,
    info: *mut c_void,
) {
    guard((), || {
        // SAFETY: the server passes the context of this call, and this event's info.
        unsafe {
            let ctx = Context::new(ctx);
            match event.id {
                raw::REDISMODULE_EVENT_FORK_CHILD => {
                    propagation::forget();
                    saved_policies::forked(&ctx, kind);
                }
                raw::REDISMODULE_EVENT_LOADING => {
                    propagation::forget();
                    saved_policies::loading(&ctx, kind);
                }
                raw::REDISMODULE_EVENT_FLUSHDB => {
                    override_list::flushed(&ctx, kind, &*info.cast());
                }
                raw::REDISMODULE_EVENT_SWAPDB => override_list::swapped(&ctx, &*info.cast()),
                _ => propagation::forget(),
            }
        }
    });
}
