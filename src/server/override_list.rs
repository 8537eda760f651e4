//! The node's list of overrides, kept in step with what happens to keys: see
//! [`OverrideIndex`](crate::overrides::OverrideIndex).

use ratelog_core::{Instant, Override};
use redis_module::raw::{self, RedisModuleFlushInfo, RedisModuleSwapDbInfo};

use super::args::bytes;
use super::key::{database_of_override, override_of};
use super::{Context, KeyName};
use crate::node::OVERRIDES;
use crate::overrides::Place;

/// Puts a key on the list, or takes it off.
pub(super) fn set(ctx: &Context<'_>, place: Place, listed: bool) {
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
    if let Some(database) = database_of_override(ctx, name) {
        set(ctx, (database, name.bytes().into()), true);
    }
}

/// The node's overrides that hold at `now`, by database and key; no more than `count`.
pub fn live_overrides(ctx: &Context<'_>, now: Instant, count: usize) -> Vec<(Place, Override)> {
    let mut found = Vec::new();
    let is_replica = ctx.is_replica();
    for place in OVERRIDES.with(ctx, |overrides| overrides.places()) {
        if found.len() == count {
            break;
        }
        let (database, name) = &place;
        match ctx.in_database(*database, |ctx| override_of(ctx, name)) {
            Some(put) if put.is_live(now) => found.push((place, put)),
            // It ends a list entry when the next effect on its key drops it.
            Some(_) => {}
            // A key that is due to expire cannot be read, but is there until the primary deletes it, and
            // the primary may still have it stay.
            None if is_replica => {}
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

/// A database, or all of them, has been emptied.
pub(super) fn flushed(ctx: &Context<'_>, kind: u64, info: &RedisModuleFlushInfo) {
    if kind == raw::REDISMODULE_SUBEVENT_FLUSHDB_END {
        let database = (info.dbnum >= 0).then_some(info.dbnum);
        OVERRIDES.with(ctx, |overrides| overrides.flush(database));
    }
}

/// Two databases have changed places.
pub(super) fn swapped(ctx: &Context<'_>, info: &RedisModuleSwapDbInfo) {
    OVERRIDES.with(ctx, |overrides| overrides.swap(info.dbnum_first, info.dbnum_second));
}
