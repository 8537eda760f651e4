use std::ffi::CString;
use std::ptr::NonNull;

use redis_module::raw::RedisModuleIO;

use super::api;

/// Reads a snapshot during one callback.
#[derive(Clone, Copy)]
pub struct RdbReader(*mut RedisModuleIO);

/// Writes a snapshot during one callback.
#[derive(Clone, Copy)]
pub struct RdbWriter(*mut RedisModuleIO);

/// Bytes from a snapshot in the server's memory.
pub struct RdbBytes {
    bytes: NonNull<u8>,
    len: usize,
}

impl RdbReader {
    /// # Safety
    /// `io` must be the pointer that the server passed to the callback, which must outlast the reader.
    pub const unsafe fn new(io: *mut RedisModuleIO) -> Self {
        Self(io)
    }

    /// Reads the next bytes. Returns `None` if the snapshot is truncated.
    pub fn read(self) -> Option<RdbBytes> {
        let mut len = 0;
        // SAFETY: the io is that of the current callback.
        let (bytes, failed) = unsafe {
            let bytes = api!(RedisModule_LoadStringBuffer)(self.0, &raw mut len);
            (NonNull::new(bytes.cast()), api!(RedisModule_IsIOError)(self.0) != 0)
        };
        let bytes = RdbBytes { bytes: bytes?, len };
        (!failed).then_some(bytes)
    }

    /// Logs the reason why the snapshot is rejected.
    pub fn log_rejection(self, reason: &str) {
        let text = CString::new(reason).unwrap_or_default();
        // SAFETY: the io is that of the current callback; the format takes one C string.
        unsafe {
            api!(RedisModule_LogIOError)(
                self.0,
                c"warning".as_ptr(),
                c"%s".as_ptr(),
                text.as_ptr(),
            );
        }
    }
}

impl RdbWriter {
    /// # Safety
    /// `io` must be the pointer that the server passed to the callback, which must outlast the writer.
    pub const unsafe fn new(io: *mut RedisModuleIO) -> Self {
        Self(io)
    }

    /// Appends bytes.
    pub fn write(self, bytes: &[u8]) {
        // SAFETY: the io is that of the current callback; the server copies the bytes.
        unsafe { api!(RedisModule_SaveStringBuffer)(self.0, bytes.as_ptr().cast(), bytes.len()) };
    }
}

impl AsRef<[u8]> for RdbBytes {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the server returned `len` bytes, and only this value owns them.
        unsafe { std::slice::from_raw_parts(self.bytes.as_ptr(), self.len) }
    }
}

impl Drop for RdbBytes {
    fn drop(&mut self) {
        // SAFETY: the server returned the bytes, and they are freed once.
        unsafe { api!(RedisModule_Free)(self.bytes.as_ptr().cast()) };
    }
}
