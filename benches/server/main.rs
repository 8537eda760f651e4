//! Compares Ratelog with its alternatives in one real server on one machine.
//!
//! `SERVER` is the server's binary and `RATELOG_MODULE` the module. `--quick` shortens the run. `--readers` runs only
//! the part about the worst cases. `--output PATH` (or `RATELOG_BENCH_OUTPUT`) writes the report. Timings are only reported,
//! but a wrong reply of the server is a failure.
#![expect(clippy::indexing_slicing, reason = "a benchmark may panic on an unexpected shape")]

mod calls;
mod dataset;
mod fill;
mod full_log;
mod host;
mod info;
mod load;
mod machine;
mod memory;
mod options;
mod peers;
mod readers;
mod replication;
mod report;
mod rounds;
mod several;
mod slow_log;
mod subject;
mod worst;

use std::{error::Error, fs};

use host::Server;
use options::Options;
use report::Report;

/// The result of a step, or the error that ends the run.
type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let options = Options::read()?;
    let text = if options.readers { readers::run(&options)?.markdown() } else { all(&options)? };
    print!("{text}");
    if let Some(path) = &options.output {
        fs::write(path, text)?;
    }
    Ok(())
}

/// Runs all parts. Returns the report.
fn all(options: &Options) -> Outcome<String> {
    let server = Server::start(options)?;
    let connection = &mut server.connect(0)?;
    let cell = peers::load_cell(&server);
    let mut footnotes = Vec::new();
    if let Err(reason) = &cell {
        footnotes.push(format!("redis-cell was left out: {reason}."));
    }
    let subjects = subject::all(connection, cell.is_ok())?;
    let measured = rounds::run(options, &server, &subjects)?;
    let several = several::run(options, &server)?;
    let logs = full_log::run(options, &server)?;
    let slow = slow_log::slow_calls(connection, "rl.check")?;
    let report = Report {
        machine: machine::describe(options, connection)?,
        rounds: options.rounds(),
        subjects: &subjects,
        measured: &measured,
        several,
        logs,
        worst: worst::run(options, &server)?,
        slow,
        readers: readers::run(options)?,
        memory: memory::run(&server, options.quick)?,
        replicated: replication::run(options, &server, &subjects)?,
        footnotes,
    };
    Ok(report.markdown())
}
