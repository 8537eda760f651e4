//! The module's settings, with their names in `CONFIG SET` and the server's configuration file.

use std::ffi::CStr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use ratelog_core::{Limit, Window};

use crate::request::Bounds;

/// A setting whose value is an integer.
pub struct NumericSetting {
    /// The name after `rl.`.
    pub name: &'static CStr,
    /// The default value.
    pub default: i64,
    /// The minimum value.
    pub min: i64,
    /// The maximum value.
    pub max: i64,
    value: AtomicI64,
}

impl NumericSetting {
    const fn new(name: &'static CStr, default: i64, min: i64, max: i64) -> Self {
        Self { name, default, min, max, value: AtomicI64::new(default) }
    }

    /// Returns the current value.
    pub fn get(&self) -> i64 {
        self.value.load(Ordering::Relaxed)
    }

    /// Sets the value, whose range the server has checked.
    pub fn set(&self, value: i64) {
        self.value.store(value, Ordering::Relaxed);
    }

    fn size(&self) -> usize {
        usize::try_from(self.get()).unwrap_or_default()
    }
}

/// The maximum of limits and costs.
pub static MAX_LIMIT: NumericSetting =
    NumericSetting::new(c"max-limit", 1_000_000, 1, u32::MAX as i64);
/// The maximum number of keys of one `RL.MCHECK`.
pub static MAX_KEYS: NumericSetting = NumericSetting::new(c"max-keys", 1_024, 1, 10_000);
/// The maximum number of policies.
pub static MAX_POLICIES: NumericSetting = NumericSetting::new(c"max-policies", 10_000, 0, 100_000);
/// The number of keys that `RL.TOP` tracks. 0 disables it.
pub static TOP_K: NumericSetting = NumericSetting::new(c"top-k", 64, 0, 1_000);

/// All numeric settings.
pub static NUMBERS: [&NumericSetting; 4] = [&MAX_LIMIT, &MAX_KEYS, &MAX_POLICIES, &TOP_K];

/// The name of the setting for the longest window. Its value is a duration.
pub const MAX_WINDOW: &CStr = c"max-window";

static MAX_WINDOW_MS: AtomicU64 = AtomicU64::new(Window::DEFAULT_MAX.millis());

/// Returns the longest window that is allowed.
pub fn max_window() -> Window {
    Window::from_millis(MAX_WINDOW_MS.load(Ordering::Relaxed)).unwrap_or(Window::DEFAULT_MAX)
}

/// Sets the longest window that is allowed.
pub fn set_max_window(window: Window) {
    MAX_WINDOW_MS.store(window.millis(), Ordering::Relaxed);
}

/// Returns the bounds of clients' arguments.
pub fn bounds() -> Bounds {
    let limit = u32::try_from(MAX_LIMIT.get()).map_or(Limit::DEFAULT_MAX, Limit::new);
    Bounds { limit, window: max_window() }
}

/// Returns the maximum number of keys of one `RL.MCHECK`.
pub fn max_keys() -> usize {
    MAX_KEYS.size()
}

/// Returns the maximum number of policies.
pub fn max_policies() -> usize {
    MAX_POLICIES.size()
}

/// Returns the number of heaviest keys to track.
pub fn top_k() -> usize {
    TOP_K.size()
}
