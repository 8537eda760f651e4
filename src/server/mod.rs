//! The border between the module and the server. Only this folder may contain `unsafe` code. [`api`] wraps the
//! functions that the module calls; [`hooks`] contains the functions that the server calls.
//!
//! Pointers from the server are valid during one call of a callback. The wrappers borrow from that call's [`Context`],
//! so they cannot outlive it. Every function that the server calls runs inside [`guard`](api::guard), so no panic
//! unwinds into C.
#![allow(unsafe_code, reason = "the module's border to the server")]

mod api;
mod hooks;
pub mod node;

pub use api::{
    Arg, ArgKind, Args, Context, KeyAccess, KeyName, Keys, ReadKey, Reply, Spec, WriteKey,
};
pub use hooks::{Command, Registration};
