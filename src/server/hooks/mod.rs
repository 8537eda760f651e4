//! Functions that the server calls: the commands' entry point, the data type, events, settings and `INFO`.

mod config;
mod data_type;
mod events;
mod info;
mod keyspace;
mod monitor;
mod override_ends;
mod override_tracking;
mod policy_aux;
mod policy_sync;
mod registration;

pub use registration::{Command, Registration};
