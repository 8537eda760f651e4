//! The server's API made safe: the one place of the module where `unsafe` is allowed.
//!
//! Each file wraps one noun of the API. Pointers that the server hands out live for one call of a
//! callback; the wrappers borrow from that call's [`Context`] so that nothing can outlive it. Every
//! function that the server calls goes through [`guard`], so nothing can unwind into C.
#![allow(unsafe_code, reason = "the module's border to the server")]

mod args;
mod context;
mod data_type;
mod events;
mod global;
mod guard;
mod info;
mod key;
mod keyspace;
mod module;
mod override_list;
mod propagation;
mod reply;
mod saved_policies;
mod server_info;
mod settings;
mod spec;

pub use args::{Args, KeyName};
pub use context::Context;
pub use global::Global;
pub use key::{ReadKey, WriteKey};
pub use module::{Command, Registration};
pub use override_list::live_overrides;
pub use reply::Reply;
pub use spec::{Arg, ArgKind, KeyAccess, Keys, Spec};

/// What the server's functions and the module's callbacks give when all is well.
const OK: std::ffi::c_int = 0;

/// A function of the server's API; all that are named with it exist since Redis 7.0.
macro_rules! api {
    ($function:ident) => {{
        #[allow(unused_unsafe, reason = "it may be named inside a block that is unsafe already")]
        // SAFETY: the pointers are written once, while the module is loaded, before any callback runs.
        let function = unsafe { redis_module::raw::$function };
        match function {
            Some(function) => function,
            None => $crate::server::missing(stringify!($function)),
        }
    }};
}
pub(crate) use api;

#[cold]
fn missing(function: &str) -> ! {
    panic!("the server lacks {function}")
}
