//! The native data type: what the server calls to save, load, copy, measure and free a value.

use std::ffi::{CStr, c_int, c_void};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};

use redis_module::raw::{
    RedisModuleCtx, RedisModuleDefragCtx, RedisModuleDigest, RedisModuleIO, RedisModuleKeyOptCtx,
    RedisModuleString, RedisModuleType, RedisModuleTypeMethods,
};

use super::guard::guard;
use super::{OK, api, override_list, saved_policies};
use crate::effect;
use crate::value::{self, Value};

/// What `TYPE` answers; nine characters, as the server demands.
const NAME: &CStr = c"ratelog_t";
/// The version of the type's methods up to `aux_save2`; Redis 7.0 knows all but that one, and leaves it alone.
const METHODS_VERSION: u64 = 5;

static TYPE: AtomicPtr<RedisModuleType> = AtomicPtr::new(null_mut());

/// The type, once registered.
pub(super) fn get() -> *mut RedisModuleType {
    TYPE.load(Ordering::Relaxed)
}

/// Registers the type. Returns whether the server took it.
pub(super) fn register(ctx: *mut RedisModuleCtx) -> bool {
    let mut methods = RedisModuleTypeMethods {
        version: METHODS_VERSION,
        rdb_load: Some(rdb_load),
        rdb_save: Some(rdb_save),
        aof_rewrite: Some(aof_rewrite),
        mem_usage: Some(mem_usage),
        digest: Some(digest),
        free: Some(free),
        aux_load: Some(saved_policies::load),
        aux_save: Some(saved_policies::save),
        aux_save_triggers: saved_policies::WHEN,
        free_effort: None,
        unlink: None,
        copy: None,
        defrag: Some(defrag),
        mem_usage2: Some(mem_usage2),
        free_effort2: Some(free_effort),
        unlink2: Some(unlink),
        copy2: Some(copy),
        aux_save2: Some(saved_policies::save_if_any),
    };
    // SAFETY: called while the module is loaded; the server copies the methods.
    let raw = unsafe {
        api!(RedisModule_CreateDataType)(ctx, NAME.as_ptr(), value::ENCODING, &raw mut methods)
    };
    TYPE.store(raw, Ordering::Relaxed);
    !raw.is_null()
}

/// The value behind a pointer that the server got from this file.
///
/// # Safety
/// `value` must be such a pointer, and nothing may change the value meanwhile.
unsafe fn borrow<'a>(value: *const c_void) -> &'a Value {
    // SAFETY: as the caller promises.
    unsafe { &*value.cast::<Value>() }
}

fn into_raw(value: Value) -> *mut c_void {
    Box::into_raw(Box::new(value)).cast()
}

unsafe extern "C" fn rdb_load(io: *mut RedisModuleIO, encoding: c_int) -> *mut c_void {
    guard(null_mut(), || {
        let loaded = match (Text::load(io), Text::load(io)) {
            (Some(log), Some(put)) => Value::load(encoding, log.bytes(), put.bytes()),
            _ => Err("the payload is cut short".into()),
        };
        match loaded {
            Ok(value) => {
                if value.has_override() {
                    // SAFETY: the io is that of the current call, of a command or a load.
                    unsafe {
                        let database = api!(RedisModule_GetDbIdFromIO)(io);
                        let name = api!(RedisModule_GetKeyNameFromIO)(io);
                        override_list::set_place(database, name, true);
                    }
                }
                into_raw(value)
            }
            Err(reason) => {
                log_refusal(io, &format!("a value was refused: {reason}"));
                null_mut()
            }
        }
    })
}

/// A text out of a snapshot, in memory of the server's.
pub(super) struct Text {
    bytes: NonNull<u8>,
    len: usize,
}

impl Text {
    /// The next text of `io`; `None` where it is cut short.
    pub(super) fn load(io: *mut RedisModuleIO) -> Option<Self> {
        let mut len = 0;
        // SAFETY: the io is that of the current call.
        let (bytes, failed) = unsafe {
            let bytes = api!(RedisModule_LoadStringBuffer)(io, &raw mut len);
            (NonNull::new(bytes.cast()), api!(RedisModule_IsIOError)(io) != 0)
        };
        let text = Self { bytes: bytes?, len };
        (!failed).then_some(text)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: the server gave that many bytes, and they are this text's alone.
        unsafe { std::slice::from_raw_parts(self.bytes.as_ptr(), self.len) }
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        // SAFETY: the server gave the bytes to be freed once.
        unsafe { api!(RedisModule_Free)(self.bytes.as_ptr().cast()) };
    }
}

pub(super) fn log_refusal(io: *mut RedisModuleIO, reason: &str) {
    let text = std::ffi::CString::new(reason).unwrap_or_default();
    // SAFETY: the io is that of the current call; the format takes one C string.
    unsafe {
        api!(RedisModule_LogIOError)(io, c"warning".as_ptr(), c"%s".as_ptr(), text.as_ptr());
    }
}

/// Appends a text to a snapshot.
pub(super) fn save_text(io: *mut RedisModuleIO, text: &[u8]) {
    // SAFETY: the io is that of the current call; the server copies the bytes.
    unsafe { api!(RedisModule_SaveStringBuffer)(io, text.as_ptr().cast(), text.len()) };
}

unsafe extern "C" fn rdb_save(io: *mut RedisModuleIO, value: *mut c_void) {
    guard((), || {
        // SAFETY: the server passes a value of this type.
        let saved = unsafe { borrow(value) }.save();
        save_text(io, &saved.log);
        save_text(io, saved.put.as_bytes());
    });
}

unsafe extern "C" fn aof_rewrite(
    io: *mut RedisModuleIO,
    key: *mut RedisModuleString,
    value: *mut c_void,
) {
    guard((), || {
        // SAFETY: the server passes a value of this type; the format takes a string, a C string, and
        // twice bytes with their length.
        unsafe {
            let saved = borrow(value).save();
            api!(RedisModule_EmitAOF)(
                io,
                effect::APPLY.as_ptr(),
                c"scbb".as_ptr(),
                key,
                effect::LOAD.as_ptr(),
                saved.log.as_ptr(),
                saved.log.len(),
                saved.put.as_ptr(),
                saved.put.len(),
            );
        }
    });
}

unsafe extern "C" fn mem_usage(value: *const c_void) -> usize {
    // SAFETY: the server passes a value of this type.
    guard(0, || unsafe { borrow(value) }.bytes())
}

unsafe extern "C" fn mem_usage2(
    _: *mut RedisModuleKeyOptCtx,
    value: *const c_void,
    _: usize,
) -> usize {
    // SAFETY: the server passes a value of this type.
    unsafe { mem_usage(value) }
}

unsafe extern "C" fn digest(md: *mut RedisModuleDigest, value: *mut c_void) {
    guard((), || {
        // SAFETY: the server passes a value of this type; it reads the bytes at once.
        unsafe {
            let saved = borrow(value).save();
            for text in [saved.log.as_slice(), saved.put.as_bytes()] {
                api!(RedisModule_DigestAddStringBuffer)(md, text.as_ptr().cast(), text.len());
            }
            api!(RedisModule_DigestEndSequence)(md);
        }
    });
}

unsafe extern "C" fn free(value: *mut c_void) {
    // SAFETY: the server gives up a value that `into_raw` or `WriteKey::set` made.
    guard((), || drop(unsafe { Box::from_raw(value.cast::<Value>()) }));
}

unsafe extern "C" fn free_effort(_: *mut RedisModuleKeyOptCtx, value: *const c_void) -> usize {
    // SAFETY: the server passes a value of this type.
    guard(1, || unsafe { borrow(value) }.allocations())
}

unsafe extern "C" fn copy(_: *mut RedisModuleKeyOptCtx, value: *const c_void) -> *mut c_void {
    // SAFETY: the server passes a value of this type.
    guard(null_mut(), || into_raw(unsafe { borrow(value) }.copy()))
}

/// A key is about to go, or to hold another value.
unsafe extern "C" fn unlink(ctx: *mut RedisModuleKeyOptCtx, value: *const c_void) {
    guard((), || {
        // SAFETY: the server passes a value of this type, and the context of this call.
        unsafe {
            if borrow(value).has_override() {
                let database = api!(RedisModule_GetDbIdFromOptCtx)(ctx);
                let name = api!(RedisModule_GetKeyNameFromOptCtx)(ctx);
                override_list::set_place(database, name, false);
            }
        }
    });
}

unsafe extern "C" fn defrag(
    ctx: *mut RedisModuleDefragCtx,
    _: *mut RedisModuleString,
    value: *mut *mut c_void,
) -> c_int {
    guard((), || {
        // SAFETY: the server passes the only pointer to a value of this type, for it to be moved.
        let value = unsafe {
            *value = relocate(ctx, *value);
            &mut *(*value).cast::<Value>()
        };
        value.relocate(|bytes| {
            if bytes.is_empty() {
                return bytes;
            }
            let len = bytes.len();
            let bytes = Box::into_raw(bytes).cast::<u8>();
            // SAFETY: the bytes come from the server's allocator, which is the module's; moved, they
            // keep their length.
            unsafe {
                let moved = relocate(ctx, bytes.cast()).cast::<u8>();
                Box::from_raw(std::ptr::slice_from_raw_parts_mut(moved, len))
            }
        });
    });
    OK
}

/// The allocation at a better place, or where it was.
///
/// # Safety
/// `allocation` must be whole, from the server's allocator, and pointed to by the caller alone.
unsafe fn relocate(ctx: *mut RedisModuleDefragCtx, allocation: *mut c_void) -> *mut c_void {
    // SAFETY: as the caller promises.
    let moved = unsafe { api!(RedisModule_DefragAlloc)(ctx, allocation) };
    if moved.is_null() { allocation } else { moved }
}
