//! The native data type: the callbacks that save, load, copy, measure and free a value.

use std::ffi::{CStr, c_int, c_void};
use std::ptr::null_mut;

use redis_module::raw::{
    RedisModuleCtx, RedisModuleDefragCtx, RedisModuleDigest, RedisModuleIO, RedisModuleKeyOptCtx,
    RedisModuleString, RedisModuleTypeMethods,
};

use super::{override_tracking, policy_aux};
use crate::server::api::{OK, RdbReader, RdbWriter, TYPE, api, guard};
use crate::state::{ENCODING, Value, effect};

/// The reply of `TYPE`; the server requires nine characters.
const NAME: &CStr = c"ratelog_t";
/// The version of the methods up to `aux_save2`. Redis 7.0 ignores `aux_save2` and knows all other methods.
const METHODS_VERSION: u64 = 5;

/// Registers the type. Returns whether the server accepted it.
pub(super) fn register(ctx: *mut RedisModuleCtx) -> bool {
    let mut methods = RedisModuleTypeMethods {
        version: METHODS_VERSION,
        rdb_load: Some(rdb_load),
        rdb_save: Some(rdb_save),
        aof_rewrite: Some(aof_rewrite),
        mem_usage: Some(mem_usage),
        digest: Some(digest),
        free: Some(free),
        aux_load: Some(policy_aux::load),
        aux_save: Some(policy_aux::save),
        aux_save_triggers: policy_aux::WHEN,
        free_effort: None,
        unlink: None,
        copy: None,
        defrag: Some(defrag),
        mem_usage2: Some(mem_usage2),
        free_effort2: Some(free_effort),
        unlink2: Some(unlink),
        copy2: Some(copy),
        aux_save2: Some(policy_aux::save_if_any),
    };
    // SAFETY: called while the module is loaded; the server copies the methods.
    let raw =
        unsafe { api!(RedisModule_CreateDataType)(ctx, NAME.as_ptr(), ENCODING, &raw mut methods) };
    // SAFETY: the type's values are those that `into_raw` returns.
    unsafe { TYPE.set(raw) };
    !raw.is_null()
}

/// Returns the value behind a pointer that this file passed to the server.
///
/// # Safety
/// `value` must be such a pointer, and nothing may change the value while it is borrowed.
unsafe fn borrow<'a>(value: *const c_void) -> &'a Value {
    // SAFETY: the caller guarantees it.
    unsafe { &*value.cast::<Value>() }
}

fn into_raw(value: Value) -> *mut c_void {
    Box::into_raw(Box::new(value)).cast()
}

unsafe extern "C" fn rdb_load(io: *mut RedisModuleIO, encoding: c_int) -> *mut c_void {
    guard(null_mut(), || {
        // SAFETY: the io is that of the current callback.
        let reader = unsafe { RdbReader::new(io) };
        let loaded = match (reader.read(), reader.read()) {
            (Some(log), Some(key_override)) => {
                Value::load(encoding, log.as_ref(), key_override.as_ref())
            }
            _ => Err("the payload is truncated".into()),
        };
        match loaded {
            Ok(mut value) => {
                if value.stored_override().is_some() {
                    // SAFETY: the io is that of the current callback, in a command or a load.
                    unsafe {
                        let database = api!(RedisModule_GetDbIdFromIO)(io);
                        let name = api!(RedisModule_GetKeyNameFromIO)(io);
                        override_tracking::on_loaded(database, name, &mut value);
                    }
                }
                into_raw(value)
            }
            Err(reason) => {
                reader.log_rejection(&format!("a value was rejected: {reason}"));
                null_mut()
            }
        }
    })
}

unsafe extern "C" fn rdb_save(io: *mut RedisModuleIO, value: *mut c_void) {
    guard((), || {
        // SAFETY: the server passes a value of this type, and the io of this callback.
        let (saved, writer) = unsafe { (borrow(value).save(), RdbWriter::new(io)) };
        writer.write(&saved.log);
        writer.write(saved.key_override.as_bytes());
    });
}

unsafe extern "C" fn aof_rewrite(
    io: *mut RedisModuleIO,
    key: *mut RedisModuleString,
    value: *mut c_void,
) {
    guard((), || {
        // SAFETY: the server passes a value of this type. The format takes a string, a C string, and bytes with their
        // length twice.
        unsafe {
            policy_aux::write_to_aof(io);
            let saved = borrow(value).save();
            api!(RedisModule_EmitAOF)(
                io,
                effect::APPLY.as_ptr(),
                c"scbb".as_ptr(),
                key,
                effect::LOAD.as_ptr(),
                saved.log.as_ptr(),
                saved.log.len(),
                saved.key_override.as_ptr(),
                saved.key_override.len(),
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
        // SAFETY: the server passes a value of this type, and copies the bytes at once.
        unsafe {
            let saved = borrow(value).save();
            for text in [saved.log.as_slice(), saved.key_override.as_bytes()] {
                api!(RedisModule_DigestAddStringBuffer)(md, text.as_ptr().cast(), text.len());
            }
            api!(RedisModule_DigestEndSequence)(md);
        }
    });
}

unsafe extern "C" fn free(value: *mut c_void) {
    guard((), || {
        // SAFETY: the server releases a value that `into_raw` or `WriteKey::set` created.
        let value = unsafe { Box::from_raw(value.cast::<Value>()) };
        override_tracking::on_released(&value);
    });
}

unsafe extern "C" fn free_effort(_: *mut RedisModuleKeyOptCtx, value: *const c_void) -> usize {
    // SAFETY: the server passes a value of this type.
    guard(1, || unsafe { borrow(value) }.allocations())
}

unsafe extern "C" fn copy(_: *mut RedisModuleKeyOptCtx, value: *const c_void) -> *mut c_void {
    // SAFETY: the server passes a value of this type.
    guard(null_mut(), || into_raw(unsafe { borrow(value) }.copy()))
}

/// Called before a key is deleted or its value is replaced.
unsafe extern "C" fn unlink(ctx: *mut RedisModuleKeyOptCtx, value: *const c_void) {
    guard((), || {
        // SAFETY: the server passes a value of this type, and the context of this call.
        unsafe {
            let value = borrow(value);
            if value.stored_override().is_some() {
                let database = api!(RedisModule_GetDbIdFromOptCtx)(ctx);
                let name = api!(RedisModule_GetKeyNameFromOptCtx)(ctx);
                override_tracking::on_unlinked(database, name, value);
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
        // SAFETY: the server passes the only pointer to a value of this type, so the value can be moved.
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
            // SAFETY: the bytes come from the server's allocator, which the module uses too. Moving the bytes does not
            // change their length.
            unsafe {
                let moved = relocate(ctx, bytes.cast()).cast::<u8>();
                Box::from_raw(std::ptr::slice_from_raw_parts_mut(moved, len))
            }
        });
    });
    OK
}

/// Moves an allocation to reduce fragmentation if the server requests it. Returns the allocation's new address.
///
/// # Safety
/// `allocation` must come from the server's allocator, and only the caller may have a pointer to it.
unsafe fn relocate(ctx: *mut RedisModuleDefragCtx, allocation: *mut c_void) -> *mut c_void {
    // SAFETY: the caller guarantees it.
    let moved = unsafe { api!(RedisModule_DefragAlloc)(ctx, allocation) };
    if moved.is_null() { allocation } else { moved }
}
