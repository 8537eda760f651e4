//! What the client costs, and what it saves: against the `redis` crate's plain queries, a `HashMap` lookup, and the
//! module where it runs without one.
//!
//! `SERVER` names the server's binary and `RATELOG_MODULE` the module; `--quick` makes it short and `--output PATH`
//! writes the report. Timings are only told; a wrong answer is a failure.
#![expect(clippy::indexing_slicing, reason = "a benchmark that meets another shape may end")]

mod deny_cache;
mod local;
mod round_trip;
mod script;
mod timing;
mod unavailable;

use std::error::Error;

/// What a step gives, or why the run ends.
type Outcome<T> = Result<T, Box<dyn Error>>;

/// How much of each thing is measured.
#[derive(Clone, Copy)]
struct Extent {
    rounds: usize,
    /// Round trips of one subject in one round.
    calls: usize,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let output = arguments.iter().position(|argument| argument == "--output");
    let output = output.and_then(|place| arguments.get(place + 1));
    let extent =
        if quick { Extent { rounds: 2, calls: 500 } } else { Extent { rounds: 7, calls: 10_000 } };
    let mut text = "# Benchmarks of the Rust client\n".to_owned();
    for part in [
        round_trip::run(extent).await?,
        local::run(extent).await?,
        deny_cache::run(extent).await?,
        unavailable::run(extent).await?,
        script::run(extent).await?,
    ] {
        text.push('\n');
        text.push_str(&part);
    }
    print!("{text}");
    if let Some(path) = output {
        std::fs::write(path, text)?;
    }
    Ok(())
}
