use std::ffi::CStr;
use std::marker::PhantomData;

use redis_module::raw::{self, RedisModuleCtx, RedisModuleServerInfoData};

use super::{Context, OK, api};

/// A section of `INFO`. Reading a section takes microseconds, so the usual path of a check does not read one.
pub(super) struct ServerInfo<'a> {
    ctx: *mut RedisModuleCtx,
    data: *mut RedisModuleServerInfoData,
    call: PhantomData<&'a ()>,
}

impl Context<'_> {
    /// Returns whether the server uses more memory than `maxmemory` allows and must not evict keys.
    pub fn is_out_of_memory(&self) -> bool {
        self.flags() & raw::REDISMODULE_CTX_FLAGS_OOM != 0
            && ServerInfo::section(self, c"memory").text(c"maxmemory_policy") == Some(c"noeviction")
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
