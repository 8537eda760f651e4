//! Clusters: routing and slot migration.

mod policies;
mod resharding;
mod routing;
