use std::ffi::{CStr, c_int};
use std::marker::PhantomData;

use ratelog_core::Instant;
use redis_module::raw::{self, RedisModuleCtx};

use super::{KeyName, OK, api};

/// One call of a command.
pub struct Context<'a> {
    pub(in crate::server) raw: *mut RedisModuleCtx,
    call: PhantomData<&'a ()>,
}

impl Context<'_> {
    /// Wraps the context of the current callback.
    ///
    /// # Safety
    /// `raw` must be the context of a callback that lasts for `'a`.
    pub const unsafe fn new(raw: *mut RedisModuleCtx) -> Self {
        Self { raw, call: PhantomData }
    }

    /// Returns the server's time. A command reads it once.
    #[allow(clippy::unused_self, reason = "the server's clock is read only during a call")]
    pub fn now(&self) -> Instant {
        // SAFETY: it takes no arguments and reads the clock.
        Instant::from_clock(unsafe { api!(RedisModule_Milliseconds)() })
    }

    /// Returns whether the server is a replica.
    pub fn is_replica(&self) -> bool {
        self.flags() & raw::REDISMODULE_CTX_FLAGS_SLAVE != 0
    }

    pub(in crate::server) fn flags(&self) -> u32 {
        // SAFETY: the context is that of the current call.
        unsafe { api!(RedisModule_GetContextFlags)(self.raw) }.cast_unsigned()
    }

    /// Returns the selected database.
    pub fn database(&self) -> i32 {
        // SAFETY: the context is that of the current call.
        unsafe { api!(RedisModule_GetSelectedDb)(self.raw) }
    }

    /// Runs `body` with another database selected.
    pub fn in_database<R>(&self, database: i32, body: impl FnOnce(&Self) -> R) -> R {
        let before = self.database();
        self.select(database);
        let result = body(self);
        self.select(before);
        result
    }

    /// Selects a database. Returns whether it exists.
    pub(super) fn select(&self, database: i32) -> bool {
        // SAFETY: the context is that of the current call.
        unsafe { api!(RedisModule_SelectDb)(self.raw, database) == OK }
    }

    /// Publishes a keyspace event of the module, if keyspace notifications are on.
    pub fn notify(&self, event: &CStr, key: KeyName<'_>) {
        self.publish(raw::REDISMODULE_NOTIFY_MODULE, event, key);
    }

    /// Publishes the server's keyspace event of a deleted key, if keyspace notifications are on.
    pub fn notify_deleted(&self, key: KeyName<'_>) {
        self.publish(raw::REDISMODULE_NOTIFY_GENERIC, c"del", key);
    }

    fn publish(&self, class: c_int, event: &CStr, key: KeyName<'_>) {
        // SAFETY: the context and the key are those of the current call.
        unsafe { api!(RedisModule_NotifyKeyspaceEvent)(self.raw, class, event.as_ptr(), key.raw) };
    }

    /// Returns whether a lookup may miss a key that exists. In a transaction or script on a cluster, servers look keys up
    /// in the slot of the command's own key, and other keys seem to be missing.
    pub fn may_miss_keys(&self) -> bool {
        let flags = self.flags();
        let nested = raw::REDISMODULE_CTX_FLAGS_MULTI | raw::REDISMODULE_CTX_FLAGS_LUA;
        flags & raw::REDISMODULE_CTX_FLAGS_CLUSTER != 0 && flags & nested != 0
    }

    /// Counts a change of the dataset and replicates the call itself.
    pub fn replicate_verbatim(&self) {
        // SAFETY: the context is that of the current call.
        unsafe { api!(RedisModule_ReplicateVerbatim)(self.raw) };
    }
}
