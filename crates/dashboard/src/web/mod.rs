//! The HTTP server.

mod assets;
mod connections;
mod guard;
mod live;
mod router;
mod server;

pub use server::{Running, serve};
