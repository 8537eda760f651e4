//! Registers the module's settings with the server: `CONFIG SET`, `GET` and `REWRITE`, and the arguments of
//! `loadmodule`.

use std::ffi::{CStr, CString, c_char, c_int, c_longlong, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use ratelog_core::Window;
use redis_module::raw::{self, RedisModuleCtx, RedisModuleString};

use super::monitor::on_new_top_k;
use crate::config::{self, MAX_WINDOW, NUMBERS, NumericSetting, TOP_K};
use crate::error::Error;
use crate::request;
use crate::server::api::{ERROR, OK, api, bytes, guard};

const PREFIX: &str = "rl.";

/// The value of the setting for the longest window, as a string of the server.
static MAX_WINDOW_TEXT: AtomicPtr<RedisModuleString> = AtomicPtr::new(null_mut());

/// Registers the settings and loads their values from the server's configuration. An argument of `loadmodule` becomes the
/// default of its setting, so the configuration file takes precedence.
///
/// # Errors
/// The argument or setting that is wrong, and the reason.
pub(super) fn register(ctx: *mut RedisModuleCtx, args: &[&[u8]]) -> Result<(), String> {
    let given = LoadArgs::parse(args)?;
    let flags = raw::REDISMODULE_CONFIG_DEFAULT;
    let mut accepted = true;
    for number in NUMBERS {
        let default = given.numbers.iter().rfind(|(name, _)| *name == number.name);
        let apply: raw::RedisModuleConfigApplyFunc =
            if number.name == TOP_K.name { Some(on_new_top_k) } else { None };
        // SAFETY: called while the module is loaded; setting and functions are static.
        let status = unsafe {
            api!(RedisModule_RegisterNumericConfig)(
                ctx,
                number.name.as_ptr(),
                default.map_or(number.default, |(_, value)| *value),
                flags,
                number.min,
                number.max,
                Some(get_number),
                Some(set_number),
                apply,
                std::ptr::from_ref(number).cast_mut().cast(),
            )
        };
        accepted &= status == OK;
    }
    let default = given.max_window.unwrap_or(Window::DEFAULT_MAX);
    let default = CString::new(default.to_string()).unwrap_or_default();
    // SAFETY: called while the module is loaded; the server copies the default.
    unsafe {
        accepted &= api!(RedisModule_RegisterStringConfig)(
            ctx,
            MAX_WINDOW.as_ptr(),
            default.as_ptr(),
            flags,
            Some(get_max_window),
            Some(set_max_window),
            None,
            null_mut(),
        ) == OK;
        if !accepted {
            return Err("the settings cannot be registered".into());
        }
        if api!(RedisModule_LoadConfigs)(ctx) != OK {
            return Err("the server rejected a setting in the configuration".into());
        }
    }
    Ok(())
}

/// The arguments of `loadmodule`: names of settings, with or without `rl.`, each with its value. The last value wins.
#[derive(Default)]
struct LoadArgs {
    numbers: Vec<(&'static CStr, i64)>,
    max_window: Option<Window>,
}

impl LoadArgs {
    fn parse(args: &[&[u8]]) -> Result<Self, String> {
        let mut given = Self::default();
        let mut args = args.iter();
        while let Some(name) = args.next() {
            let shown = name.escape_ascii().to_string();
            let lower = shown.to_ascii_lowercase();
            let plain = lower.strip_prefix(PREFIX).unwrap_or(&lower);
            let is = |setting: &CStr| setting.to_bytes() == plain.as_bytes();
            let number = NUMBERS.into_iter().find(|number| is(number.name));
            if number.is_none() && !is(MAX_WINDOW) {
                let names = NUMBERS.map(|number| number.name.to_string_lossy()).join(", ");
                let window = MAX_WINDOW.to_string_lossy();
                return Err(format!(
                    "unknown setting '{shown}': expected one of {names}, {window}"
                ));
            }
            let value = args.next().ok_or_else(|| format!("'{shown}' has no value"))?;
            if let Some(number) = number {
                given.numbers.push((number.name, parse_number(number, value)?));
            } else {
                let window = request::parse_window(value, Window::MAX);
                given.max_window = Some(window.map_err(|error| error.reason())?);
            }
        }
        Ok(given)
    }
}

fn parse_number(number: &NumericSetting, text: &[u8]) -> Result<i64, String> {
    let value = ratelog_core::parse_decimal(text).and_then(|value| i64::try_from(value).ok());
    value.filter(|value| (number.min..=number.max).contains(value)).ok_or_else(|| {
        format!(
            "{} '{}' is not an integer from {} to {}",
            number.name.to_string_lossy(),
            text.escape_ascii(),
            number.min,
            number.max
        )
    })
}

/// Returns the setting that was registered with `private`.
///
/// # Safety
/// `private` must be the pointer that [`register`] passed to the server.
unsafe fn setting(private: *mut c_void) -> &'static NumericSetting {
    // SAFETY: the caller guarantees it; settings are static.
    unsafe { &*private.cast::<NumericSetting>() }
}

unsafe extern "C" fn get_number(_: *const c_char, private: *mut c_void) -> c_longlong {
    // SAFETY: the server passes the pointer that was registered with the setting.
    guard(0, || unsafe { setting(private) }.get())
}

unsafe extern "C" fn set_number(
    _: *const c_char,
    value: c_longlong,
    private: *mut c_void,
    _: *mut *mut RedisModuleString,
) -> c_int {
    // SAFETY: the server passes the pointer that was registered with the setting, and has checked the range.
    guard((), || unsafe { setting(private) }.set(value));
    OK
}

unsafe extern "C" fn get_max_window(_: *const c_char, _: *mut c_void) -> *mut RedisModuleString {
    MAX_WINDOW_TEXT.load(Ordering::Relaxed)
}

unsafe extern "C" fn set_max_window(
    _: *const c_char,
    value: *mut RedisModuleString,
    _: *mut c_void,
    rejection: *mut *mut RedisModuleString,
) -> c_int {
    guard(ERROR, || {
        // SAFETY: the server passes a string that lives for the call.
        match request::parse_window(unsafe { bytes(value) }, Window::MAX) {
            Ok(window) => {
                config::set_max_window(window);
                let text = MAX_WINDOW_TEXT.swap(string(&window.to_string()), Ordering::Relaxed);
                if !text.is_null() {
                    // SAFETY: `string` created the text, and nothing else has a pointer to it.
                    unsafe { api!(RedisModule_FreeString)(null_mut(), text) };
                }
                OK
            }
            Err(error) => {
                // SAFETY: the server takes ownership of the string and frees it.
                unsafe { *rejection = string(&Error::reason(&error)) };
                ERROR
            }
        }
    })
}

/// Creates a string of the server, which the caller owns.
fn string(text: &str) -> *mut RedisModuleString {
    // SAFETY: the server copies the text.
    unsafe { api!(RedisModule_CreateString)(null_mut(), text.as_ptr().cast(), text.len()) }
}
