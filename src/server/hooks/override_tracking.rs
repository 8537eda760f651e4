//! Updates the node's index of overrides when keys change (see [`OverrideIndex`](crate::state::OverrideIndex)).

use std::cell::Cell;

use ratelog_core::Instant;
use redis_module::raw::{self, RedisModuleFlushInfo, RedisModuleString, RedisModuleSwapDbInfo};

use crate::server::api::{Context, KeyName, api, bytes, with_override};
use crate::server::node::OVERRIDES;
use crate::state::Value;

/// The number of entries from which a flush releases them in a thread of its own.
const RELEASED_INLINE: usize = 1_000;

thread_local! {
    /// Whether this is the thread that runs commands and holds the server's lock.
    static IS_MAIN: Cell<bool> = const { Cell::new(false) };
}

/// Marks the current thread, which loads the module, as the one that runs commands.
pub(super) fn mark_main_thread() {
    IS_MAIN.set(true);
}

/// Indexes the override of a key that got a new value.
pub(super) fn on_new_value(ctx: &Context<'_>, name: KeyName<'_>) {
    with_override(ctx, name, |database, stored| {
        let location = (database, name.bytes().into());
        OVERRIDES.with(ctx, |overrides| overrides.put(location, stored, ctx.now()));
    });
    ctx.schedule_override_ends();
}

/// Indexes the override of a value that is loaded for a key. The server may still discard the value.
///
/// # Safety
/// The server must hold its lock. `name` must be a string of the server, or null.
pub(super) unsafe fn on_loaded(database: i32, name: *const RedisModuleString, value: &mut Value) {
    let Some(stored) = value.stored_override_mut().filter(|_| !name.is_null()) else { return };
    // SAFETY: the caller guarantees it.
    unsafe {
        let location = (database, bytes(name).into());
        OVERRIDES.with_lock_held(|overrides| overrides.put(location, stored, now()));
    }
}

/// Removes the override of a value that is no longer the value of its key.
///
/// # Safety
/// The server must hold its lock. `name` must be a string of the server, or null.
pub(super) unsafe fn on_unlinked(database: i32, name: *const RedisModuleString, value: &Value) {
    let Some(id) = value.stored_override().and_then(|stored| stored.id) else { return };
    if name.is_null() {
        return;
    }
    // SAFETY: the caller guarantees it.
    unsafe {
        let location = (database, bytes(name));
        OVERRIDES.with_lock_held(|overrides| overrides.remove_at(id, location, now()));
    }
}

/// Removes the override of a value that is released. A value that a key had was unlinked or flushed before; this is about
/// values that were loaded and never given to a key, which the server releases in its main thread.
pub(super) fn on_released(value: &Value) {
    let id = value.stored_override().and_then(|stored| stored.id);
    if let Some(id) = id.filter(|_| IS_MAIN.get()) {
        // SAFETY: the main thread calls the module only while it holds the server's lock.
        unsafe { OVERRIDES.with_lock_held(|overrides| overrides.remove(id, now())) };
    }
}

/// Handles a flush of one database or of all databases. The server has not released any value yet.
pub(super) fn on_flush(ctx: &Context<'_>, kind: u64, info: &RedisModuleFlushInfo) {
    if kind == raw::REDISMODULE_SUBEVENT_FLUSHDB_START {
        let number = (info.dbnum >= 0).then_some(info.dbnum);
        let flushed = OVERRIDES.with(ctx, |overrides| overrides.flush(number));
        if flushed.len() > RELEASED_INLINE {
            // If no thread can be started, the closure and the entries are released here.
            let thread = std::thread::Builder::new().name("rl-flush".into());
            drop(thread.spawn(move || drop(flushed)));
        }
    }
}

/// Handles a swap of two databases.
pub(super) fn on_swap(ctx: &Context<'_>, info: &RedisModuleSwapDbInfo) {
    OVERRIDES.with(ctx, |overrides| overrides.swap(info.dbnum_first, info.dbnum_second));
}

fn now() -> Instant {
    // SAFETY: it takes no arguments and reads the clock.
    Instant::from_clock(unsafe { api!(RedisModule_Milliseconds)() })
}
