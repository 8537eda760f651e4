//! Replication: the effects that replicas receive, and the state that survives a failover.

mod effects;
mod failover;
mod hostile_effects;
mod lazy;
mod partition;
mod random;
mod replica;
mod sentinel;
