//! Updates the node's index of overrides when keys change (see [`OverrideIndex`](crate::state::OverrideIndex)).

use redis_module::raw::{self, RedisModuleFlushInfo, RedisModuleString, RedisModuleSwapDbInfo};

use crate::server::api::{Context, KeyName, bytes, database_of_override};
use crate::server::node::OVERRIDES;
use crate::state::{KeyLocation, OverrideChange};

/// Indexes a key that got a new value, if the value has an override.
pub(super) fn on_new_value(ctx: &Context<'_>, name: KeyName<'_>) {
    if let Some(database) = database_of_override(ctx, name) {
        OVERRIDES.with(ctx, |overrides| overrides.insert((database, name.bytes().into())));
    }
}

/// Indexes or removes the key of a callback of the data type.
///
/// # Safety
/// The server must hold its lock. `name` must be a string of the server, or null.
pub(super) unsafe fn track(database: i32, name: *const RedisModuleString, change: OverrideChange) {
    if name.is_null() {
        return;
    }
    // SAFETY: the caller guarantees it.
    unsafe {
        let location: KeyLocation = (database, bytes(name).into());
        OVERRIDES.with_lock_held(|overrides| match change {
            OverrideChange::Added => overrides.insert(location),
            OverrideChange::Removed => overrides.remove(&location),
        });
    }
}

/// Handles a flush of one database or of all databases.
pub(super) fn on_flush(ctx: &Context<'_>, kind: u64, info: &RedisModuleFlushInfo) {
    if kind == raw::REDISMODULE_SUBEVENT_FLUSHDB_END {
        let database = (info.dbnum >= 0).then_some(info.dbnum);
        OVERRIDES.with(ctx, |overrides| overrides.flush(database));
    }
}

/// Handles a swap of two databases.
pub(super) fn on_swap(ctx: &Context<'_>, info: &RedisModuleSwapDbInfo) {
    OVERRIDES.with(ctx, |overrides| overrides.swap(info.dbnum_first, info.dbnum_second));
}
