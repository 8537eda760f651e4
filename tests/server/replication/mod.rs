//! Replicas: what they receive, and what a failover keeps.

mod effects;
mod failover;
mod hostile_effects;
mod lazy;
mod partition;
mod replica;
mod sentinel;
