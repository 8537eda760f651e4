//! The module's sections of `INFO`.

use std::ffi::{CString, c_int};

use ratelog_core::PolicyName;
use redis_module::raw::{RedisModuleCtx, RedisModuleInfoCtx};

use crate::monitor::Counts;
use crate::server::api::{OK, api, guard};
use crate::server::node::{MONITOR, OVERRIDES, POLICIES};

/// The maximum number of policies in the output.
const MAX_POLICIES: usize = 100;

/// Registers the callback. Returns whether the server accepted it.
pub(super) fn register(ctx: *mut RedisModuleCtx) -> bool {
    // SAFETY: called while the module is loaded, with its context and a static function.
    unsafe { api!(RedisModule_RegisterInfoFunc)(ctx, Some(add_info)) == OK }
}

unsafe extern "C" fn add_info(raw: *mut RedisModuleInfoCtx, for_crash_report: c_int) {
    // A crash may have interrupted a change of this state.
    if for_crash_report != 0 {
        return;
    }
    guard((), || {
        let info = Info(raw);
        // SAFETY: called under the server's lock.
        unsafe {
            if info.section("ratelog") {
                info.counts(&MONITOR.with_lock_held(|monitor| monitor.totals));
                let (policies, digest) =
                    POLICIES.with_lock_held(|policies| (policies.len(), policies.digest()));
                info.number("policies", policies as u64);
                info.text("policies_digest", &digest);
                info.number("overrides", OVERRIDES.with_lock_held(|list| list.len()) as u64);
                info.number(
                    "monitor_bytes",
                    MONITOR.with_lock_held(|monitor| monitor.bytes()) as u64,
                );
            }
            if info.section("policies") {
                POLICIES.with_lock_held(|policies| {
                    for (name, entry) in policies.busiest(MAX_POLICIES) {
                        info.dictionary(&policy_field(name), || info.counts(&entry.counts()));
                    }
                });
            }
        }
    });
}

/// Returns the name of a policy's field. The server replaces each colon in a field's name by an underscore, so a colon is
/// written as `%3A`. A policy's name has no percent sign.
fn policy_field(name: &PolicyName) -> String {
    format!("policy_{}", name.as_str().replace(':', "%3A"))
}

/// The output of one `INFO` call.
struct Info(*mut RedisModuleInfoCtx);

impl Info {
    /// Begins a section. Returns whether the server wants the section.
    fn section(&self, name: &str) -> bool {
        let name = c_string(name);
        // SAFETY: the context is that of the current call, and the server copies texts. The same applies to the
        // functions below.
        unsafe { api!(RedisModule_InfoAddSection)(self.0, name.as_ptr()) == OK }
    }

    fn number(&self, field: &str, value: u64) {
        let field = c_string(field);
        // SAFETY: as above.
        unsafe { api!(RedisModule_InfoAddFieldULongLong)(self.0, field.as_ptr(), value) };
    }

    fn text(&self, field: &str, value: &str) {
        let (field, value) = (c_string(field), c_string(value));
        // SAFETY: as above.
        unsafe { api!(RedisModule_InfoAddFieldCString)(self.0, field.as_ptr(), value.as_ptr()) };
    }

    /// Writes a field with several values.
    fn dictionary(&self, field: &str, body: impl FnOnce()) {
        let field = c_string(field);
        // SAFETY: as above.
        unsafe { api!(RedisModule_InfoBeginDictField)(self.0, field.as_ptr()) };
        body();
        // SAFETY: as above.
        unsafe { api!(RedisModule_InfoEndDictField)(self.0) };
    }

    fn counts(&self, counts: &Counts) {
        for (name, value) in counts.fields() {
            self.number(name, value);
        }
    }
}

fn c_string(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}
