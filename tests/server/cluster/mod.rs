//! Clusters: routing and slot migration.

mod resharding;
mod routing;
