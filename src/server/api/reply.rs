use std::ffi::{CStr, CString, c_long};

use super::{Context, api};

/// The reply to a call. Its parts are written one after another.
pub struct Reply<'a> {
    ctx: &'a Context<'a>,
}

impl Context<'_> {
    /// Returns the reply to the call.
    pub fn reply(&self) -> Reply<'_> {
        Reply::new(self)
    }
}

impl<'a> Reply<'a> {
    const fn new(ctx: &'a Context<'a>) -> Self {
        Self { ctx }
    }

    /// Writes an integer.
    pub fn integer(&self, value: i64) {
        // SAFETY: the context is that of the current call. The same applies to the functions below.
        unsafe { api!(RedisModule_ReplyWithLongLong)(self.ctx.raw, value) };
    }

    /// Starts an array. Its `len` elements follow.
    pub fn array(&self, len: usize) {
        // SAFETY: as above.
        unsafe {
            api!(RedisModule_ReplyWithArray)(
                self.ctx.raw,
                c_long::try_from(len).unwrap_or(c_long::MAX),
            )
        };
    }

    /// Starts a map. Its `len` pairs of a key and a value follow. In RESP2 the map is a flat array.
    pub fn map(&self, len: usize) {
        // SAFETY: as above.
        unsafe {
            api!(RedisModule_ReplyWithMap)(
                self.ctx.raw,
                c_long::try_from(len).unwrap_or(c_long::MAX),
            )
        };
    }

    /// Writes a string.
    pub fn string(&self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        // SAFETY: as above; the server copies the text.
        unsafe {
            api!(RedisModule_ReplyWithStringBuffer)(self.ctx.raw, text.as_ptr().cast(), text.len())
        };
    }

    /// Writes the status `OK`.
    pub fn ok(&self) {
        self.status(c"OK");
    }

    /// Writes a status, which is one line of text.
    pub fn status(&self, text: &CStr) {
        // SAFETY: as above; the server copies the text.
        unsafe { api!(RedisModule_ReplyWithSimpleString)(self.ctx.raw, text.as_ptr()) };
    }

    /// Writes null.
    pub fn null(&self) {
        // SAFETY: as above.
        unsafe { api!(RedisModule_ReplyWithNull)(self.ctx.raw) };
    }

    /// Writes an error, which starts with its code.
    pub fn error(&self, text: &str) {
        let text = CString::new(text.replace('\0', "")).unwrap_or_default();
        // SAFETY: as above; the server copies the text.
        unsafe { api!(RedisModule_ReplyWithError)(self.ctx.raw, text.as_ptr()) };
    }

    /// Writes the server's own error for a wrong number of arguments.
    pub fn wrong_arity(&self) {
        // SAFETY: as above.
        unsafe { api!(RedisModule_WrongArity)(self.ctx.raw) };
    }
}
