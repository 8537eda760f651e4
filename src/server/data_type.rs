//! The native data type: what the server calls to save, load, copy, measure and free a value.

use std::ffi::{CStr, c_int, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use redis_module::raw::{
    RedisModuleCtx, RedisModuleDefragCtx, RedisModuleDigest, RedisModuleIO, RedisModuleKeyOptCtx,
    RedisModuleString, RedisModuleType, RedisModuleTypeMethods,
};

use super::guard::guard;
use super::{OK, api};
use crate::effect;
use crate::value::{self, Value};

/// What `TYPE` answers; nine characters, as the server demands.
const NAME: &CStr = c"ratelog_t";
/// The version of the type's methods up to `copy2`, the newest that Redis 7.0 knows.
const METHODS_VERSION: u64 = 4;

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
        aux_load: None,
        aux_save: None,
        aux_save_triggers: 0,
        free_effort: None,
        unlink: None,
        copy: None,
        defrag: Some(defrag),
        mem_usage2: Some(mem_usage2),
        free_effort2: Some(free_effort),
        unlink2: None,
        copy2: Some(copy),
        aux_save2: None,
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
        // SAFETY: the io is that of the current call; the buffer is owned here until it is freed.
        let loaded = unsafe {
            let mut len = 0;
            let buffer = api!(RedisModule_LoadStringBuffer)(io, &raw mut len);
            if buffer.is_null() {
                return null_mut();
            }
            let loaded = if api!(RedisModule_IsIOError)(io) == 0 {
                Value::load(encoding, std::slice::from_raw_parts(buffer.cast(), len))
            } else {
                Err("the payload is cut short".into())
            };
            api!(RedisModule_Free)(buffer.cast());
            loaded
        };
        match loaded {
            Ok(value) => into_raw(value),
            Err(reason) => {
                log_refusal(io, &reason);
                null_mut()
            }
        }
    })
}

fn log_refusal(io: *mut RedisModuleIO, reason: &str) {
    let text = std::ffi::CString::new(format!("a value was refused: {reason}")).unwrap_or_default();
    // SAFETY: the io is that of the current call; the format takes one C string.
    unsafe {
        api!(RedisModule_LogIOError)(io, c"warning".as_ptr(), c"%s".as_ptr(), text.as_ptr());
    }
}

unsafe extern "C" fn rdb_save(io: *mut RedisModuleIO, value: *mut c_void) {
    guard((), || {
        // SAFETY: the server passes a value of this type; it copies the bytes.
        unsafe {
            let bytes = borrow(value).save();
            api!(RedisModule_SaveStringBuffer)(io, bytes.as_ptr().cast(), bytes.len());
        }
    });
}

unsafe extern "C" fn aof_rewrite(
    io: *mut RedisModuleIO,
    key: *mut RedisModuleString,
    value: *mut c_void,
) {
    guard((), || {
        // SAFETY: the server passes a value of this type; the format takes a string, a C string, and
        // bytes with their length.
        unsafe {
            let bytes = borrow(value).save();
            api!(RedisModule_EmitAOF)(
                io,
                effect::COMMAND.as_ptr(),
                c"scb".as_ptr(),
                key,
                effect::LOAD.as_ptr(),
                bytes.as_ptr(),
                bytes.len(),
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
            let bytes = borrow(value).save();
            api!(RedisModule_DigestAddStringBuffer)(md, bytes.as_ptr().cast(), bytes.len());
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
