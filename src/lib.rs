//! Exact rate limiting inside Redis and Valkey: the server module.
//!
//! Data flows one way. Argument bytes become a typed `request`. The `command` opens its key, and the core crate
//! decides. The decision becomes an effect in `state`, which changes the key and is replicated. The reply is written
//! last, so an error never leaves a partial reply. Only `server` calls the server's API.
#![deny(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        dead_code,
        unused_imports,
        reason = "unit tests omit the entry point, as only a server provides the allocator"
    )
)]

mod command;
mod config;
mod error;
mod monitor;
mod request;
mod server;
mod state;

/// The module's entry point and its allocator.
#[cfg(not(test))]
#[allow(missing_docs, unsafe_code, clippy::pedantic, clippy::undocumented_unsafe_blocks)]
mod entry {
    use redis_module::alloc::RedisAlloc;
    use redis_module::{Context, RedisString, Status, redis_module};

    use crate::command;
    use crate::server::Registration;

    fn init(ctx: &Context, args: &[RedisString]) -> Status {
        let args: Vec<_> = args.iter().map(RedisString::as_slice).collect();
        let registered =
            Registration::new(ctx.ctx.cast(), &args).and_then(|module| command::register(&module));
        match registered {
            Ok(()) => Status::Ok,
            Err(reason) => {
                ctx.log_warning(&format!("ratelog cannot be loaded: {reason}"));
                Status::Err
            }
        }
    }

    redis_module! {
        name: "rl",
        version: 1,
        allocator: (RedisAlloc, RedisAlloc),
        data_types: [],
        init: init,
        commands: [],
    }
}
