//! What Ratelog's Rust client and its Python package share, as the module `ratelog._core`: conversions only.
//!
//! `ratelog/_core.pyi` tells what each of these guarantees.
#![forbid(unsafe_code)]
#![allow(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]

mod backoff;
mod breaker;
mod decision;
mod deny_cache;
mod failure_kind;
mod fallback_decision;
mod header_family;
mod headers;
mod key;
mod limit_set;
mod limits;
mod local;
mod number;
mod policies;
mod policy_name;
mod probe_backoff;
mod retry_hint;
mod retry_policy;
mod rules;
mod script;
mod source;
mod throttle;
mod time;
mod trusted_proxies;
mod units;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    #[pymodule_export]
    use crate::backoff::Tries;
    #[pymodule_export]
    use crate::breaker::Breaker;
    #[pymodule_export]
    use crate::decision::Decision;
    #[pymodule_export]
    use crate::deny_cache::{Denials, Ticket};
    #[pymodule_export]
    use crate::failure_kind::absence;
    #[pymodule_export]
    use crate::fallback_decision::granted;
    #[pymodule_export]
    use crate::limit_set::Told;
    #[pymodule_export]
    use crate::limits::Limits;
    #[pymodule_export]
    use crate::local::LocalLimiter;
    #[pymodule_export]
    use crate::policies::Policies;
    #[pymodule_export]
    use crate::probe_backoff::Probes;
    #[pymodule_export]
    use crate::retry_hint::Hint;
    #[pymodule_export]
    use crate::retry_policy::RetryPolicy;
    #[pymodule_export]
    use crate::throttle::Lane;
    #[pymodule_export]
    use crate::trusted_proxies::Proxies;

    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "Python has it so")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
    #[pymodule_export]
    const DEFAULT_MAX_BYTES: usize = crate::local::DEFAULT_MAX_BYTES;
    #[pymodule_export]
    const SCRIPT: &str = crate::script::SCRIPT;
    #[pymodule_export]
    const SCRIPT_SUFFIX: &str = crate::script::SCRIPT_SUFFIX;
}

/// Python's allocator aligns to no more: what wants more, as counters apart from each other do, has to be boxed.
const _: () = {
    const MOST: usize = 16;
    assert!(align_of::<breaker::Breaker>() <= MOST);
    assert!(align_of::<deny_cache::Denials>() <= MOST);
    assert!(align_of::<local::LocalLimiter>() <= MOST);
    assert!(align_of::<policies::Policies>() <= MOST);
};
