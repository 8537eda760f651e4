//! Publishes an event when an override ends. A timer waits for the earliest end.

use std::ffi::c_void;
use std::ptr::null_mut;

use ratelog_core::Instant;
use redis_module::raw::{RedisModuleCtx, RedisModuleTimerID};

use crate::server::api::{Context, Global, api, guard, with_string};
use crate::server::node::OVERRIDES;

/// The number of events after which the timer lets other work run.
const EVENTS_PER_CALL: usize = 100;

/// The timer that was started, with the time at which it calls.
static TIMER: Global<Option<(RedisModuleTimerID, Instant)>> = Global::new();

impl Context<'_> {
    /// Starts the timer for the earliest end, unless it calls early enough.
    pub fn schedule_override_ends(&self) {
        let Some(end) = OVERRIDES.with(self, |overrides| overrides.next_end()) else { return };
        let started = TIMER.with(self, |timer| *timer);
        if started.is_some_and(|(_, due)| due <= end) {
            return;
        }
        if let Some((id, _)) = started {
            // SAFETY: the context is that of the current call. The timer has not called yet.
            unsafe { api!(RedisModule_StopTimer)(self.raw, id, null_mut()) };
        }
        let wait = (end.unix_millis() - self.now().unix_millis()).max(0);
        // SAFETY: the context is that of the current call. The function is static and takes no data.
        let id = unsafe {
            api!(RedisModule_CreateTimer)(self.raw, wait, Some(publish_ends), null_mut())
        };
        TIMER.with(self, |timer| *timer = Some((id, end)));
    }
}

unsafe extern "C" fn publish_ends(ctx: *mut RedisModuleCtx, _: *mut c_void) {
    guard((), || {
        // SAFETY: the server passes the context of this call.
        let ctx = unsafe { Context::new(ctx) };
        TIMER.with(&ctx, |timer| *timer = None);
        let now = ctx.now();
        let ended = OVERRIDES.with(&ctx, |overrides| overrides.take_ended(now, EVENTS_PER_CALL));
        // The primary publishes the event. Its replicas only take the end, for the time after a failover.
        if !ctx.is_replica() {
            for (database, name) in ended {
                ctx.in_database(database, |ctx| {
                    with_string(&name, |name| ctx.notify(c"rl.override_ended", name));
                });
            }
        }
        ctx.schedule_override_ends();
    });
}
