//! Describes the machine.

use std::{fs, process::Command, thread::available_parallelism};

use redis::Connection;

use crate::{Outcome, info, options::Options};

/// Returns a Markdown list of the processor, the memory, the kernel, the server, the client and how to repeat
/// the run.
///
/// # Errors
/// The server does not reply.
pub fn describe(options: &Options, connection: &mut Connection) -> Outcome<String> {
    let cores = available_parallelism().map_or(0, usize::from);
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into());
    let kilobytes: u64 = field("/proc/meminfo", "MemTotal")
        .and_then(|total| total.split(' ').next()?.parse().ok())
        .unwrap_or(0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let repeat = if options.quick { "scripts/bench --quick" } else { "make bench" };
    Ok(format!(
        "- Machine: {cores} cores, {processor}, {:.1} GiB of memory\n\
         - Kernel: {} {}\n\
         - Server: {}, {}; no replica, no append-only file, no snapshots\n\
         - Load: {}\n\
         - Repeat: `{repeat}`\n",
        gibibytes(kilobytes),
        std::env::consts::OS,
        kernel.trim(),
        server(connection)?,
        allocator(connection)?,
        client(),
    ))
}

/// Returns the server's name and version.
pub fn server(connection: &mut Connection) -> Outcome<String> {
    let facts = info::section(connection, "server")?;
    Ok(match facts.get("valkey_version") {
        Some(version) => format!("Valkey {version}"),
        None => format!("Redis {}", facts.get("redis_version").map_or("", String::as_str)),
    })
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[expect(clippy::cast_precision_loss, reason = "one decimal is printed")]
fn gibibytes(kilobytes: u64) -> f64 {
    kilobytes as f64 / f64::from(1 << 20)
}

fn allocator(connection: &mut Connection) -> Outcome<String> {
    Ok(info::section(connection, "memory")?.remove("mem_allocator").unwrap_or_default())
}

fn client() -> String {
    Command::new("redis-benchmark")
        .arg("--version")
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}
