//! Keyspace events. The server's own commands change a key's expiry, or give a value to another key.

use std::ffi::{CStr, c_char, c_int};

use redis_module::raw::{self, RedisModuleCtx, RedisModuleString};

use super::override_tracking;
use crate::server::api::{Context, KeyName, OK, api, forget_expiry, guard};

/// Events that give a key a new value. The server has already released the key's previous value.
const VALUE_EVENTS: [&CStr; 4] = [c"rename_to", c"move_to", c"copy_to", c"restore"];

/// Subscribes to the events. Returns whether the server accepted it.
pub(super) fn subscribe(ctx: *mut RedisModuleCtx) -> bool {
    // SAFETY: called while the module is loaded, with its context and a static function.
    let status = unsafe {
        api!(RedisModule_SubscribeToKeyspaceEvents)(
            ctx,
            raw::REDISMODULE_NOTIFY_GENERIC,
            Some(on_keyspace_event),
        )
    };
    status == OK
}

unsafe extern "C" fn on_keyspace_event(
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
        } else if VALUE_EVENTS.contains(&event) {
            override_tracking::on_new_value(&ctx, key);
        }
    });
    OK
}
