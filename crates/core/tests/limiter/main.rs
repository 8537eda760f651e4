//! The in-process limiter: its decisions, its memory and its threads.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::large_enum_variant,
    reason = "a failing test should say where, and a test has few events"
)]

mod bound;
mod model;
#[path = "../naive/mod.rs"]
mod naive;
mod threads;

use ratelog_core::{Instant, Limit, Rule, Rules, Window};

/// Returns the instant `millis` milliseconds after the start.
fn at(millis: i64) -> Instant {
    Instant::from_unix_millis(1_700_000_000_000 + millis).unwrap()
}

fn rule(limit: u32, millis: u64) -> Rules {
    Rules::one(Rule::new(Limit::new(limit), Window::from_millis(millis).unwrap()))
}
