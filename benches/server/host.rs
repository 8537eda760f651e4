//! A real server on a free loopback port and in its own folder. It stops when it is dropped.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use redis::Connection;
use tempfile::TempDir;

use crate::{Outcome, options::Options};

const START_WITHIN: Duration = Duration::from_secs(10);

pub struct Server {
    child: Child,
    folder: TempDir,
    pub port: u16,
}

impl Server {
    /// Starts a server with the module and without persistence.
    ///
    /// # Errors
    /// The server does not run or does not reply within ten seconds. The message is its log.
    pub fn start(options: &Options) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(&options.server)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--databases", "32"])
            .args(["--enable-module-command", "local", "--enable-debug-command", "local"])
            .args(["--repl-ping-replica-period", "3600", "--repl-diskless-sync-delay", "0"])
            .args(["--slowlog-log-slower-than", "1000", "--slowlog-max-len", "10000"])
            .args(["--logfile", "server.log"])
            .arg("--dir")
            .arg(folder.path())
            .arg("--loadmodule")
            .arg(&options.module)
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", options.server.display()))?;
        let mut server = Self { child, folder, port };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&mut self) -> Outcome<()> {
        let started = Instant::now();
        while self.connect(0).is_err() {
            if self.child.try_wait()?.is_some() || started.elapsed() > START_WITHIN {
                let log = std::fs::read_to_string(self.folder.path().join("server.log"));
                return Err(format!("the server did not start:\n{}", log?).into());
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Connects to the given database.
    pub fn connect(&self, database: u8) -> Outcome<Connection> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}/{database}", self.port))?;
        Ok(client.get_connection()?)
    }

    /// Loads another module beside Ratelog.
    pub fn load(&self, module: &Path) -> Outcome<()> {
        let path = module.to_string_lossy();
        redis::cmd("MODULE").arg("LOAD").arg(path.as_ref()).exec(&mut self.connect(0)?)?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The server may have ended already, so ignore the error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
