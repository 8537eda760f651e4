use std::ffi::{CStr, CString, c_long};

use super::{Context, api};

/// The reply to a call, written part by part.
pub struct Reply<'a> {
    ctx: &'a Context<'a>,
}

impl<'a> Reply<'a> {
    pub const fn new(ctx: &'a Context<'a>) -> Self {
        Self { ctx }
    }

    /// An integer.
    pub fn integer(&self, value: i64) {
        // SAFETY: the context is that of the current call; likewise below.
        unsafe { api!(RedisModule_ReplyWithLongLong)(self.ctx.raw, value) };
    }

    /// An array; its `len` elements follow.
    pub fn array(&self, len: usize) {
        // SAFETY: as above.
        unsafe {
            api!(RedisModule_ReplyWithArray)(
                self.ctx.raw,
                c_long::try_from(len).unwrap_or(c_long::MAX),
            )
        };
    }

    /// A map; its `len` pairs follow, each a key and a value. In RESP2 it is a flat array.
    pub fn map(&self, len: usize) {
        // SAFETY: as above.
        unsafe {
            api!(RedisModule_ReplyWithMap)(
                self.ctx.raw,
                c_long::try_from(len).unwrap_or(c_long::MAX),
            )
        };
    }

    /// A string.
    pub fn string(&self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        // SAFETY: as above; the server copies the text.
        unsafe {
            api!(RedisModule_ReplyWithStringBuffer)(self.ctx.raw, text.as_ptr().cast(), text.len())
        };
    }

    /// The status `OK`.
    pub fn ok(&self) {
        self.status(c"OK");
    }

    /// A status: one line of text.
    pub fn status(&self, text: &CStr) {
        // SAFETY: as above; the server copies the text.
        unsafe { api!(RedisModule_ReplyWithSimpleString)(self.ctx.raw, text.as_ptr()) };
    }

    /// Null.
    pub fn null(&self) {
        // SAFETY: as above.
        unsafe { api!(RedisModule_ReplyWithNull)(self.ctx.raw) };
    }

    /// An error, which starts with its code.
    pub fn error(&self, text: &str) {
        let text = CString::new(text.replace('\0', "")).unwrap_or_default();
        // SAFETY: as above; the server copies the text.
        unsafe { api!(RedisModule_ReplyWithError)(self.ctx.raw, text.as_ptr()) };
    }

    /// The server's own error for a wrong number of arguments.
    pub fn wrong_arity(&self) {
        // SAFETY: as above.
        unsafe { api!(RedisModule_WrongArity)(self.ctx.raw) };
    }
}
