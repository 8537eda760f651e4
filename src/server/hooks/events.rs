//! Server events. A module has one callback per event, and a second subscription silently replaces the first. So one
//! function receives all events and calls each part that needs them.

use std::ffi::c_void;

use redis_module::raw::{self, RedisModuleCtx, RedisModuleEvent};

use super::{monitor, override_tracking, policy_aux};
use crate::server::api::{Context, OK, api, guard, replication};

/// Subscribes to the events. Returns whether the server accepted it.
pub(super) fn subscribe(ctx: *mut RedisModuleCtx) -> bool {
    let events = [
        raw::REDISMODULE_EVENT_FORK_CHILD,
        raw::REDISMODULE_EVENT_PERSISTENCE,
        raw::REDISMODULE_EVENT_REPLICATION_ROLE_CHANGED,
        raw::REDISMODULE_EVENT_REPLICA_CHANGE,
        raw::REDISMODULE_EVENT_LOADING,
        raw::REDISMODULE_EVENT_FLUSHDB,
        raw::REDISMODULE_EVENT_SWAPDB,
    ];
    events.iter().all(|&id| {
        let event = RedisModuleEvent { id, dataver: 1 };
        // SAFETY: called while the module is loaded, with its context and a static function.
        unsafe { api!(RedisModule_SubscribeToServerEvent)(ctx, event, Some(on_server_event)) == OK }
    })
}

/// Receives every event. `info` has the type that belongs to the event.
unsafe extern "C" fn on_server_event(
    ctx: *mut RedisModuleCtx,
    event: RedisModuleEvent,
    kind: u64,
    info: *mut c_void,
) {
    guard((), || {
        // SAFETY: the server passes the context of this call, and the info of this event.
        unsafe {
            let ctx = Context::new(ctx);
            match event.id {
                raw::REDISMODULE_EVENT_FORK_CHILD => {
                    replication::invalidate();
                    policy_aux::on_fork(&ctx, kind);
                }
                raw::REDISMODULE_EVENT_LOADING => {
                    replication::invalidate();
                    policy_aux::on_load(&ctx, kind);
                    ctx.schedule_override_ends();
                }
                raw::REDISMODULE_EVENT_FLUSHDB => {
                    override_tracking::on_flush(&ctx, kind, &*info.cast());
                    monitor::on_flush(&ctx, kind, &*info.cast());
                }
                raw::REDISMODULE_EVENT_SWAPDB => override_tracking::on_swap(&ctx, &*info.cast()),
                _ => replication::invalidate(),
            }
        }
    });
}
