//! Exact rate limiting inside Redis and Valkey: the server module.
//!
//! A call's way: argument bytes become a typed `request`, the `command` opens its key, the core crate
//! decides, the `effect` of the decision changes the key and is replicated, and the `reply` is written
//! last. Only `server` touches the server's API.
#![deny(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        dead_code,
        unused_imports,
        reason = "unit tests leave out the entry point: only a server has its allocator"
    )
)]

mod command;
mod config;
mod effect;
mod error;
mod json_object;
mod monitor;
mod node;
mod notes;
mod override_text;
mod overrides;
mod policies;
mod policy_effect;
mod policy_json;
mod reply;
mod request;
mod server;
mod value;

/// What the server calls: the module's entry point and its allocator.
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
