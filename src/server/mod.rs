//! The border to the server, and the one place of the module where `unsafe` is allowed. [`api`] wraps what the module
//! calls; [`hooks`] is what the server calls.
//!
//! Pointers from the server are valid during one call of a callback. The wrappers borrow from that call's [`Context`], so
//! nothing can outlive it. Every function that the server calls runs inside [`guard`](api::guard), so nothing unwinds
//! into C.
#![allow(unsafe_code, reason = "the module's border to the server")]

mod api;
mod hooks;

pub use api::{
    Arg, ArgKind, Args, Context, Global, KeyAccess, KeyName, Keys, ReadKey, Reply, Spec, WriteKey,
};
pub use hooks::{Command, Registration};
