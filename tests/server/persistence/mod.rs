//! Keys in snapshots, in the append-only file, in dumps and in memory.

mod aof;
mod aof_crash;
pub mod corrupt;
mod defrag;
mod keyspace;
mod snapshots;
