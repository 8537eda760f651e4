//! The node's list of overrides, kept in step with what happens to keys: see
//! [`OverrideIndex`](crate::overrides::OverrideIndex).

use std::ffi::c_void;

use ratelog_core::{Instant, Override};
use redis_module::raw::{
    self, RedisModuleCtx, RedisModuleEvent, RedisModuleFlushInfo, RedisModuleSwapDbInfo,
};

use super::args::bytes;
use super::guard::guard;
use super::key::{holds_override, override_of};
use super::propagation::subscribe;
use super::{Context, KeyName};
use crate::node::OVERRIDES;
use crate::overrides::Place;

/// Asks the server to tell of what happens to whole databases. Returns whether it will.
pub(super) fn watch(ctx: *mut RedisModuleCtx) -> bool {
    subscribe(ctx, raw::REDISMODULE_EVENT_FLUSHDB, flushed)
        && subscribe(ctx, raw::REDISMODULE_EVENT_SWAPDB, swapped)
}

/// Puts `name`, in the database that the call works on, on the list, or takes it off.
pub(super) fn set(ctx: &Context<'_>, name: KeyName<'_>, listed: bool) {
    let place = (ctx.database(), name.bytes().into());
    OVERRIDES.with(ctx, |overrides| {
        if listed {
            overrides.insert(place);
        } else {
            overrides.remove(&place);
        }
    });
}

/// Puts a key that has got its value from elsewhere on the list, if that brought an override.
pub(super) fn see(ctx: &Context<'_>, name: KeyName<'_>) {
    if holds_override(ctx, name) {
        set(ctx, name, true);
    }
}

/// The node's overrides that hold at `now`, by database and key; no more than `count`.
pub fn live_overrides(ctx: &Context<'_>, now: Instant, count: usize) -> Vec<(Place, Override)> {
    let mut found = Vec::new();
    for place in OVERRIDES.with(ctx, |overrides| overrides.places()) {
        if found.len() == count {
            break;
        }
        let (database, name) = &place;
        match ctx.in_database(*database, |ctx| override_of(ctx, name)) {
            Some(put) if put.is_live(now) => found.push((place, put)),
            // It ends a list entry when the next effect on its key drops it.
            Some(_) => {}
            None => OVERRIDES.with(ctx, |overrides| overrides.remove(&place)),
        }
    }
    found
}

/// Puts the key of a callback of the data type on the list, or takes it off.
///
/// # Safety
/// The server must be holding its lock; `name` must be a string of the server's, or null.
pub(super) unsafe fn set_place(database: i32, name: *const raw::RedisModuleString, listed: bool) {
    if name.is_null() {
        return;
    }
    // SAFETY: as the caller promises.
    unsafe {
        let place: Place = (database, bytes(name).into());
        OVERRIDES.with_lock_held(|overrides| {
            if listed {
                overrides.insert(place);
            } else {
                overrides.remove(&place);
            }
        });
    }
}

unsafe extern "C" fn flushed(
    ctx: *mut RedisModuleCtx,
    _: RedisModuleEvent,
    kind: u64,
    info: *mut c_void,
) {
    guard((), || {
        if kind != raw::REDISMODULE_SUBEVENT_FLUSHDB_END {
            return;
        }
        // SAFETY: the server passes the context of this call, and this event's info.
        let (ctx, info) = unsafe { (Context::new(ctx), &*info.cast::<RedisModuleFlushInfo>()) };
        let database = (info.dbnum >= 0).then_some(info.dbnum);
        OVERRIDES.with(&ctx, |overrides| overrides.flush(database));
    });
}

unsafe extern "C" fn swapped(
    ctx: *mut RedisModuleCtx,
    _: RedisModuleEvent,
    _: u64,
    info: *mut c_void,
) {
    guard((), || {
        // SAFETY: the server passes the context of this call, and this event's info.
        let (ctx, info) = unsafe { (Context::new(ctx), &*info.cast::<RedisModuleSwapDbInfo>()) };
        OVERRIDES.with(&ctx, |overrides| overrides.swap(info.dbnum_first, info.dbnum_second));
    });
}
