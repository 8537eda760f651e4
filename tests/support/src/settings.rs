//! The configuration file of a test's server.

use std::path::Path;

use super::paths;

pub const FILE: &str = "server.conf";

/// No background work: no save points, no pings to replicas, no delay at shutdown.
const QUIET: &str = "\
save \"\"
enable-debug-command yes
repl-diskless-sync yes
repl-diskless-sync-delay 0
repl-ping-replica-period 3600
repl-timeout 7200
shutdown-timeout 0
";

/// The kind of server to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Data,
    Sentinel,
}

impl Mode {
    pub fn argument(self) -> Option<&'static str> {
        (self == Self::Sentinel).then_some("--sentinel")
    }
}

pub struct Ports {
    pub clients: u16,
    pub cluster: u16,
}

/// The lines of a server's configuration file that load the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Module<'a> {
    Loaded,
    LoadedWith(&'a str),
    Absent,
}

impl Module<'_> {
    fn line(self) -> String {
        let line = || format!("loadmodule {}", paths::module().display());
        match self {
            Self::Loaded => line(),
            Self::LoadedWith(arguments) => format!("{} {arguments}", line()),
            Self::Absent => String::new(),
        }
    }
}

pub fn write(directory: &Path, mode: Mode, module: Module<'_>, ports: &Ports, more: &[&str]) {
    let own = match mode {
        Mode::Data => format!("{QUIET}cluster-port {}\n", ports.cluster),
        Mode::Sentinel => String::new(),
    };
    let text = format!(
        "bind 127.0.0.1\ndaemonize no\nport {}\ndir {}\n{own}{}\n{}\n",
        ports.clients,
        directory.display(),
        module.line(),
        more.join("\n"),
    );
    std::fs::write(directory.join(FILE), text).expect("the configuration file can be written");
}
