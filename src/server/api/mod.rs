//! Safe wrappers of the server's API. Each file wraps one noun of the API.

mod args;
mod cluster;
mod context;
mod global;
mod guard;
mod key;
mod rdb_io;
pub(in crate::server) mod replication;
mod reply;
mod server_info;
mod spec;
mod type_handle;

pub(in crate::server) use args::bytes;
pub use args::{Args, KeyName};
pub(in crate::server) use cluster::{MessageKind, node_id};
pub use context::Context;
pub use global::Global;
pub(in crate::server) use guard::guard;
pub use key::{ReadKey, WriteKey};
pub(in crate::server) use key::{forget_expiry, with_override, with_string};
pub(in crate::server) use rdb_io::{RdbReader, RdbWriter};
pub use reply::Reply;
pub use spec::{Arg, ArgKind, KeyAccess, Keys, Spec};
pub(in crate::server) use type_handle::TYPE;

/// The status that the server's functions and the module's callbacks return on success.
pub(in crate::server) const OK: std::ffi::c_int = 0;
/// The status that a callback returns on failure.
pub(in crate::server) const ERROR: std::ffi::c_int = 1;

/// A function of the server's API. Every function named with this macro exists since Redis 7.0.
macro_rules! api {
    ($function:ident) => {{
        #[allow(unused_unsafe, reason = "the macro may be used inside an unsafe block")]
        // SAFETY: the pointers are written once, while the module is loaded, before any callback runs.
        let function = unsafe { redis_module::raw::$function };
        match function {
            Some(function) => function,
            None => $crate::server::api::missing(stringify!($function)),
        }
    }};
}
pub(in crate::server) use api;

#[cold]
pub(in crate::server) fn missing(function: &str) -> ! {
    panic!("the server lacks {function}")
}
