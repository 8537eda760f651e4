//! Options: flags and environment.

use std::{env, path::PathBuf};

use crate::Outcome;

/// The paths of the server and the module, the length of the run, and the output.
pub struct Options {
    pub server: PathBuf,
    pub module: PathBuf,
    pub output: Option<PathBuf>,
    pub quick: bool,
    /// Run only the part about the worst cases.
    pub readers: bool,
}

impl Options {
    /// Reads the command line and the environment.
    ///
    /// # Errors
    /// An unknown flag, `--output` without a path, or a missing module.
    pub fn read() -> Outcome<Self> {
        let variable = |name: &str| env::var_os(name).map(PathBuf::from);
        let default_module = "target/release/libratelog.so";
        let mut options = Self {
            server: variable("SERVER").unwrap_or_else(|| "redis-server".into()),
            module: variable("RATELOG_MODULE").unwrap_or_else(|| default_module.into()),
            output: variable("RATELOG_BENCH_OUTPUT"),
            quick: false,
            readers: false,
        };
        let mut arguments = env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--readers" => options.readers = true,
                "--output" => {
                    let path = arguments.next().ok_or("--output wants a path")?;
                    options.output = Some(path.into());
                }
                "--bench" => {} // cargo's own
                unknown => return Err(format!("unknown flag {unknown:?}").into()),
            }
        }
        options.module = options.module.canonicalize().map_err(|error| {
            format!(
                "{}: {error}; build it with `cargo build --release --lib -p ratelog`",
                options.module.display()
            )
        })?;
        Ok(options)
    }

    pub fn rounds(&self) -> usize {
        if self.quick { 2 } else { 5 }
    }

    /// The number of calls of one measurement without pipelining.
    pub fn single_calls(&self) -> u64 {
        if self.quick { 20_000 } else { 200_000 }
    }

    /// The number of calls of one measurement in pipelines.
    pub fn pipelined_calls(&self) -> u64 {
        if self.quick { 80_000 } else { 400_000 }
    }
}
