use std::ffi::{CStr, CString};
use std::marker::PhantomData;

use redis_module::raw::{self, RedisModuleCtx, RedisModuleServerInfoData};

use super::{Context, OK, api};

/// A section of `INFO`. Reading a section takes microseconds, so the usual path of a check does not read one.
pub(super) struct ServerInfo<'a> {
    ctx: *mut RedisModuleCtx,
    data: *mut RedisModuleServerInfoData,
    call: PhantomData<&'a ()>,
}

/// The keys that the server has memory for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum MemoryFor {
    /// All keys. The server uses less memory than `maxmemory`, or can evict keys.
    AllKeys,
    /// Keys with an expiry, which the server evicts. It has no other keys that it could evict.
    KeysWithExpiry,
    /// Only keys that exist.
    ExistingKeys,
}

impl Context<'_> {
    /// Returns the keys that the server has memory for.
    pub(super) fn memory(&self) -> MemoryFor {
        if self.flags() & raw::REDISMODULE_CTX_FLAGS_OOM == 0 {
            return MemoryFor::AllKeys;
        }
        let info = ServerInfo::section(self, c"memory");
        match info.text(c"maxmemory_policy").map_or(b"".as_slice(), CStr::to_bytes) {
            b"noeviction" => MemoryFor::ExistingKeys,
            policy if policy.starts_with(b"volatile-") && !self.has_keys_with_expiry() => {
                MemoryFor::KeysWithExpiry
            }
            _ => MemoryFor::AllKeys,
        }
    }

    /// Returns whether a key in any database has an expiry.
    fn has_keys_with_expiry(&self) -> bool {
        let info = ServerInfo::section(self, c"keyspace");
        let has_some = |database: i32| {
            let field = CString::new(format!("db{database}")).unwrap_or_default();
            // For example `keys=5,expires=3,avg_ttl=0`.
            let text = info.text(&field).map(CStr::to_string_lossy).unwrap_or_default();
            let expires = text.split(',').find_map(|field| field.strip_prefix("expires="));
            expires.is_some_and(|count| count != "0")
        };
        let before = self.database();
        let found = (0..i32::MAX).take_while(|database| self.select(*database)).any(has_some);
        self.select(before);
        found
    }
}

impl Context<'_> {
    /// Returns whether a child of the server is rewriting the append-only file as commands alone, without an RDB preamble,
    /// or may be: an administrator can rename or disable `CONFIG`.
    pub(in crate::server) fn is_rewriting_aof_as_commands(&self) -> bool {
        let info = ServerInfo::section(self, c"persistence");
        info.number(c"aof_rewrite_in_progress") == Some(1)
            && self.server_setting(c"aof-use-rdb-preamble").as_deref() != Some(b"yes")
    }

    /// Returns the value of a setting of the server, or `None` if the server has no such setting or no `CONFIG`.
    fn server_setting(&self, name: &CStr) -> Option<Vec<u8>> {
        // SAFETY: the context is that of the current call, and the format takes two C strings. The reply is freed once,
        // after the last use of its parts.
        unsafe {
            let reply = api!(RedisModule_Call)(
                self.raw,
                c"CONFIG".as_ptr(),
                c"cc".as_ptr(),
                c"GET".as_ptr(),
                name.as_ptr(),
            );
            if reply.is_null() {
                return None;
            }
            let value = api!(RedisModule_CallReplyArrayElement)(reply, 1);
            let mut len = 0;
            let text = if value.is_null() {
                std::ptr::null()
            } else {
                api!(RedisModule_CallReplyStringPtr)(value, &raw mut len)
            };
            let found = (!text.is_null())
                .then(|| std::slice::from_raw_parts(text.cast::<u8>(), len).to_vec());
            api!(RedisModule_FreeCallReply)(reply);
            found
        }
    }
}

impl<'a> ServerInfo<'a> {
    /// Reads the section.
    pub(super) fn section(ctx: &'a Context<'_>, name: &CStr) -> Self {
        // SAFETY: the context is that of the current call.
        let data = unsafe { api!(RedisModule_GetServerInfo)(ctx.raw, name.as_ptr()) };
        Self { ctx: ctx.raw, data, call: PhantomData }
    }

    /// Returns a numeric field, or `None` if it does not exist.
    pub(super) fn number(&self, field: &CStr) -> Option<u64> {
        let mut error = 0;
        // SAFETY: the data is owned by this value.
        let number = unsafe {
            api!(RedisModule_ServerInfoGetFieldUnsigned)(self.data, field.as_ptr(), &raw mut error)
        };
        (error == OK).then_some(number)
    }

    /// Returns a text field, or `None` if it does not exist.
    pub(super) fn text(&self, field: &CStr) -> Option<&CStr> {
        // SAFETY: the data is owned by this value and owns the text.
        unsafe {
            let text = api!(RedisModule_ServerInfoGetFieldC)(self.data, field.as_ptr());
            (!text.is_null()).then(|| CStr::from_ptr(text))
        }
    }
}

impl Drop for ServerInfo<'_> {
    fn drop(&mut self) {
        // SAFETY: the data is owned by this value and freed once.
        unsafe { api!(RedisModule_FreeServerInfo)(self.ctx, self.data) };
    }
}
