//! The module `ratelog._core`: the code that the Python package shares with the Rust client. Conversions only.
//!
//! `ratelog/_core.pyi` documents each class and function.
#![forbid(unsafe_code)]
#![allow(clippy::needless_pass_by_value, reason = "PyO3 passes arguments by value")]

mod backoff;
mod breaker;
mod decision;
mod deny_cache;
mod headers;
mod key;
mod limit_set;
mod limits;
mod local;
mod manual_clock;
mod number;
mod policies;
mod policy_name;
mod retry_hint;
mod rules;
mod shard_map;
mod source;
mod throttle;
mod trusted_proxies;
mod units;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    #[pymodule_export]
    use crate::backoff::{Backoff, RetryPolicy};
    #[pymodule_export]
    use crate::breaker::{Breaker, ProbeBackoff, failure_kind};
    #[pymodule_export]
    use crate::decision::{Decision, fallback_decision};
    #[pymodule_export]
    use crate::deny_cache::{DenyCache, KeyVersion};
    #[pymodule_export]
    use crate::limit_set::LimitSet;
    #[pymodule_export]
    use crate::limits::Limits;
    #[pymodule_export]
    use crate::local::LocalLimiter;
    #[pymodule_export]
    use crate::manual_clock::ManualClock;
    #[pymodule_export]
    use crate::policies::Policies;
    #[pymodule_export]
    use crate::retry_hint::RetryHint;
    #[pymodule_export]
    use crate::shard_map::{ShardMap, hash_slot};
    #[pymodule_export]
    use crate::throttle::ThrottleState;
    #[pymodule_export]
    use crate::trusted_proxies::TrustedProxies;

    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "the name is Python's convention")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
    #[pymodule_export]
    const DEFAULT_MAX_BYTES: usize = crate::local::DEFAULT_MAX_BYTES;
    #[pymodule_export]
    const SCRIPT: &str = ratelog_client_core::script::TEXT;
    #[pymodule_export]
    const SCRIPT_SUFFIX: &str = ratelog_client_core::script::SUFFIX;
}

/// Python's allocator aligns to 16 bytes. A type that needs more, such as one with padded counters, must be boxed.
const _: () = {
    const MAX: usize = 16;
    assert!(align_of::<breaker::Breaker>() <= MAX);
    assert!(align_of::<deny_cache::DenyCache>() <= MAX);
    assert!(align_of::<local::LocalLimiter>() <= MAX);
    assert!(align_of::<policies::Policies>() <= MAX);
};
