//! The configuration file of a test's server.

use std::path::Path;

pub const FILE: &str = "server.conf";

/// Nothing may happen by itself: no save point, no ping to replicas, no patience at shutdown.
const QUIET: &str = "\
bind 127.0.0.1
daemonize no
save \"\"
enable-debug-command yes
repl-diskless-sync yes
repl-diskless-sync-delay 0
repl-ping-replica-period 3600
repl-timeout 7200
shutdown-timeout 0
";

pub struct Ports {
    pub clients: u16,
    pub cluster: u16,
}

pub fn write(directory: &Path, ports: &Ports, module: &Path, more: &[&str]) {
    let text = format!(
        "{QUIET}port {}\ncluster-port {}\ndir {}\nloadmodule {}\n{}\n",
        ports.clients,
        ports.cluster,
        directory.display(),
        module.display(),
        more.join("\n"),
    );
    std::fs::write(directory.join(FILE), text).expect("the configuration file can be written");
}
