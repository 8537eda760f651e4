//! What the server's own commands do to keys of the module: their expiry is set or removed, and a value gets
//! another name.

use std::ffi::{CStr, c_char, c_int};

use redis_module::raw::{self, RedisModuleCtx, RedisModuleString};

use super::guard::guard;
use super::key::forget_expiry;
use super::{Context, KeyName, OK, api, override_list};

/// A key has got its value from elsewhere. What it held before, the server has given up by then.
const ARRIVALS: [&CStr; 4] = [c"rename_to", c"move_to", c"copy_to", c"restore"];

/// Asks the server to tell of changed expiries, and of values that got another name. Returns whether it will.
pub(super) fn watch(ctx: *mut RedisModuleCtx) -> bool {
    // SAFETY: called while the module is loaded, with its context and a function that stays.
    let status = unsafe {
        api!(RedisModule_SubscribeToKeyspaceEvents)(
            ctx,
            raw::REDISMODULE_NOTIFY_GENERIC,
            Some(told),
        )
    };
    status == OK
}

unsafe extern "C" fn told(
    ctx: *mut RedisModuleCtx,
    _: c_int,
    event: *const c_char,
    key: *mut RedisModuleString,
) -> c_int {
    guard((), || {
        // SAFETY: the server passes the context, the event's name and the key of this call.
        let (ctx, event, key) =
            unsafe { (Context::new(ctx), CStr::from_ptr(event), KeyName::new(key)) };
        if event == c"expire" || event == c"persist" {
            forget_expiry(&ctx, key);
        } else if ARRIVALS.contains(&event) {
            override_list::see(&ctx, key);
        }
    });
    OK
}
