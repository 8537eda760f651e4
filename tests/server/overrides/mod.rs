//! Overrides: their commands, their decisions, and how they are saved, listed and replicated.

mod arguments;
mod checks;
mod cluster;
mod corrupt;
mod differential;
mod lifetime;
mod list;
mod list_command;
mod list_replica;
mod persistence;
mod transactions;
