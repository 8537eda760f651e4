//! What every caller of a Ratelog server needs besides a connection, in whatever language it is written.
//!
//! The Rust client and the Python package stand on this crate. It does no I/O, starts nothing and waits for nothing: it
//! says what to do, and its user does it.
#![forbid(unsafe_code)]

pub mod script;
