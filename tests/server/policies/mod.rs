//! Policies: their commands, their decisions, and how they are saved and replicated.

mod aof;
mod checks;
mod differential;
mod hostile_json;
mod json;
mod replication;
mod snapshots;
