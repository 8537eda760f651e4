//! The cost of the client, compared with plain queries of the `redis` crate, a `HashMap` lookup, and the module if the
//! server does not have it.
//!
//! `SERVER` names the server's binary, and `RATELOG_MODULE` the module. `--quick` measures less, and `--output PATH`
//! writes the report to a file. Timings are only reported; a wrong decision is an error.
#![expect(clippy::indexing_slicing, reason = "a benchmark may panic")]

mod deny_cache;
mod local;
mod round_trip;
mod script;
mod timing;
mod unavailable;

use std::error::Error;

type BenchResult<T> = Result<T, Box<dyn Error>>;

/// How much to measure.
#[derive(Clone, Copy)]
struct Scale {
    rounds: usize,
    /// Round trips per subject and round.
    calls: usize,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> BenchResult<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let output = arguments.iter().position(|argument| argument == "--output");
    let output = output.and_then(|index| arguments.get(index + 1));
    let scale =
        if quick { Scale { rounds: 2, calls: 500 } } else { Scale { rounds: 7, calls: 10_000 } };
    let mut text = "# Benchmarks of the Rust client\n".to_owned();
    for part in [
        round_trip::run(scale).await?,
        local::run(scale).await?,
        deny_cache::run(scale).await?,
        unavailable::run(scale).await?,
        script::run(scale).await?,
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
