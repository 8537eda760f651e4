use std::ffi::CStr;
use std::marker::PhantomData;

use ratelog_core::Instant;
use redis_module::raw::{self, RedisModuleCtx};

use super::server_info::ServerInfo;
use super::{Reply, api, propagation};
use crate::effect::{Effect, Record};
use crate::server::KeyName;

/// One call of a command.
pub struct Context<'a> {
    pub(super) raw: *mut RedisModuleCtx,
    call: PhantomData<&'a ()>,
}

impl Context<'_> {
    /// The context of the call that is going on.
    ///
    /// # Safety
    /// `raw` must be the context of a callback that lasts at least as long as what is made here.
    pub(super) const unsafe fn new(raw: *mut RedisModuleCtx) -> Self {
        Self { raw, call: PhantomData }
    }

    /// The server's clock. A command asks once.
    #[allow(clippy::unused_self, reason = "the clock may be source during a call alone")]
    pub fn now(&self) -> Instant {
        // SAFETY: takes nothing and reads the clock.
        Instant::from_clock(unsafe { api!(RedisModule_Milliseconds)() })
    }

    /// Whether more memory is used than `maxmemory` allows, and the server may not evict keys for more.
    pub fn is_out_of_memory(&self) -> bool {
        self.flags() & raw::REDISMODULE_CTX_FLAGS_OOM != 0
            && ServerInfo::section(self, c"memory").text(c"maxmemory_policy") == Some(c"noeviction")
    }

    /// Whether the server follows another.
    pub fn is_replica(&self) -> bool {
        self.flags() & raw::REDISMODULE_CTX_FLAGS_SLAVE != 0
    }

    pub(super) fn flags(&self) -> u32 {
        // SAFETY: the context is that of the current call.
        unsafe { api!(RedisModule_GetContextFlags)(self.raw) }.cast_unsigned()
    }

    /// The database that the call works on.
    pub fn database(&self) -> i32 {
        // SAFETY: the context is that of the current call.
        unsafe { api!(RedisModule_GetSelectedDb)(self.raw) }
    }

    /// Lets `body` work on another database.
    pub fn in_database<R>(&self, database: i32, body: impl FnOnce(&Self) -> R) -> R {
        let before = self.database();
        self.select(database);
        let result = body(self);
        self.select(before);
        result
    }

    fn select(&self, database: i32) {
        // SAFETY: the context is that of the current call.
        unsafe { api!(RedisModule_SelectDb)(self.raw, database) };
    }

    /// Publishes a keyspace event of the module, where keyspace notifications are on.
    pub fn notify(&self, event: &CStr, key: KeyName<'_>) {
        let class = raw::REDISMODULE_NOTIFY_MODULE;
        // SAFETY: the context and the key are those of the current call.
        unsafe { api!(RedisModule_NotifyKeyspaceEvent)(self.raw, class, event.as_ptr(), key.raw) };
    }

    /// The way to answer the call.
    pub fn reply(&self) -> Reply<'_> {
        Reply::new(self)
    }

    /// Counts a change of the dataset, and passes `effect` on to replicas and the append-only file.
    pub fn propagate(&self, key: KeyName<'_>, effect: &Effect) {
        if propagation::is_needed(self) {
            propagation::send(self, key, effect);
        } else {
            self.propagate_verbatim();
        }
    }

    /// The same, of units recorded at several keys, as one effect; nothing if there are none.
    pub fn propagate_records<'k>(&self, records: impl Iterator<Item = (KeyName<'k>, Record)>) {
        let mut records = records.peekable();
        if records.peek().is_none() {
            return;
        }
        if propagation::is_needed(self) {
            propagation::send_records(self, &records.collect::<Vec<_>>());
        } else {
            self.propagate_verbatim();
        }
    }

    /// Counts a change of the dataset, and passes an effect on the policies on.
    pub fn propagate_policies(&self, word: &CStr, text: &str) {
        propagation::send_policies(self, word, text);
    }

    /// Counts a change of the dataset, and passes the call on as it came.
    pub fn propagate_verbatim(&self) {
        // SAFETY: the context is that of the current call.
        unsafe { api!(RedisModule_ReplicateVerbatim)(self.raw) };
    }
}
