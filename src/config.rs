//! The module's settings, as `CONFIG SET` and the server's configuration file name them.

use std::ffi::CStr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use ratelog_core::{Limit, Window};

use crate::policy_json::Allowance;
use crate::request::Bounds;

/// A setting that is a whole number.
pub struct Number {
    /// Its name after `rl.`.
    pub name: &'static CStr,
    /// What it is unless somebody sets it.
    pub default: i64,
    /// The least that it may be.
    pub min: i64,
    /// The most that it may be.
    pub max: i64,
    value: AtomicI64,
}

impl Number {
    const fn new(name: &'static CStr, default: i64, min: i64, max: i64) -> Self {
        Self { name, default, min, max, value: AtomicI64::new(default) }
    }

    /// What it is.
    pub fn get(&self) -> i64 {
        self.value.load(Ordering::Relaxed)
    }

    /// Makes it `value`, which the server has found to be in its range.
    pub fn set(&self, value: i64) {
        self.value.store(value, Ordering::Relaxed);
    }

    fn size(&self) -> usize {
        usize::try_from(self.get()).unwrap_or_default()
    }
}

/// The most that a limit or a cost may be.
pub static MAX_LIMIT: Number = Number::new(c"max-limit", 1_000_000, 1, u32::MAX as i64);
/// How many policies there may be.
pub static MAX_POLICIES: Number = Number::new(c"max-policies", 1_000, 0, 100_000);
/// How many keys `RL.TOP` tells of; 0 turns it off.
pub static TOP_K: Number = Number::new(c"top-k", 64, 0, 1_000);

/// All settings that are numbers.
pub static NUMBERS: [&Number; 3] = [&MAX_LIMIT, &MAX_POLICIES, &TOP_K];

/// The setting that is a span of time: the most that a window may be.
pub const MAX_WINDOW: &CStr = c"max-window";

static MAX_WINDOW_MS: AtomicU64 = AtomicU64::new(Window::DEFAULT_MAX.millis());

/// The most that a window may be.
pub fn max_window() -> Window {
    Window::from_millis(MAX_WINDOW_MS.load(Ordering::Relaxed)).unwrap_or(Window::DEFAULT_MAX)
}

/// Makes `window` the most that a window may be.
pub fn set_max_window(window: Window) {
    MAX_WINDOW_MS.store(window.millis(), Ordering::Relaxed);
}

/// What a caller may ask for.
pub fn bounds() -> Bounds {
    let limit = u32::try_from(MAX_LIMIT.get()).ok().and_then(Limit::new);
    Bounds { limit: limit.unwrap_or(Limit::DEFAULT_MAX), window: max_window() }
}

/// What policies may be imported.
pub fn allowance() -> Allowance {
    Allowance { policies: MAX_POLICIES.size(), bounds: bounds() }
}

/// How many policies there may be.
pub fn max_policies() -> usize {
    MAX_POLICIES.size()
}

/// How many of the heaviest keys are told.
pub fn top_k() -> usize {
    TOP_K.size()
}
