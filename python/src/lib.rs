//! What Ratelog's Rust client and its Python package share, as the module `ratelog._core`: conversions only.
//!
//! `ratelog/_core.pyi` tells what each of these guarantees.
#![forbid(unsafe_code)]
#![allow(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]

mod absence;
mod breaker;
mod decision;
mod denials;
mod family;
mod granted;
mod headers;
mod hint;
mod key;
mod lane;
mod limits;
mod local;
mod number;
mod policies;
mod policy_name;
mod probes;
mod proxies;
mod retry;
mod rules;
mod script;
mod source;
mod time;
mod told;
mod tries;
mod units;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    #[pymodule_export]
    use crate::absence::absence;
    #[pymodule_export]
    use crate::breaker::Breaker;
    #[pymodule_export]
    use crate::decision::Decision;
    #[pymodule_export]
    use crate::denials::{Denials, Ticket};
    #[pymodule_export]
    use crate::granted::granted;
    #[pymodule_export]
    use crate::hint::Hint;
    #[pymodule_export]
    use crate::lane::Lane;
    #[pymodule_export]
    use crate::limits::Limits;
    #[pymodule_export]
    use crate::local::LocalLimiter;
    #[pymodule_export]
    use crate::policies::Policies;
    #[pymodule_export]
    use crate::probes::Probes;
    #[pymodule_export]
    use crate::proxies::Proxies;
    #[pymodule_export]
    use crate::retry::RetryPolicy;
    #[pymodule_export]
    use crate::told::Told;
    #[pymodule_export]
    use crate::tries::Tries;

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
    assert!(align_of::<denials::Denials>() <= MOST);
    assert!(align_of::<local::LocalLimiter>() <= MOST);
    assert!(align_of::<policies::Policies>() <= MOST);
};
