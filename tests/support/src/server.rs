//! A real server with the module. It stops with the test.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::ProtocolVersion;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::client::{REPLY_WAIT, info_field};
use super::settings::{self, Mode, Module, Ports};
use super::wait::{eventually, scaled_timeout, until, within};
use super::{Client, Raw, ServerVersion, paths};

const END_WAIT: Duration = Duration::from_secs(20);

/// Log messages of internal errors of the server or the module.
const CRASH_MARKS: [&str; 5] =
    ["BUG REPORT", "panicked at", "ASSERTION FAILED", "Guru Meditation", "ERROR: AddressSanitizer"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Ends the process at once, without a flush or a shutdown.
    Kill,
    NoSave,
    Save,
}

pub struct Server {
    child: Option<Child>,
    paused: AtomicBool,
    mode: Mode,
    port: u16,
    directory: TempDir,
    version: ServerVersion,
}

impl Server {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a server with additional lines in its configuration file.
    pub fn with(lines: &[&str]) -> Self {
        Self::configured(Module::Loaded, lines)
    }

    /// Like [`Self::with`], with the given lines about the module in its configuration file.
    pub fn configured(module: Module<'_>, lines: &[&str]) -> Self {
        Self::launched(Mode::Data, module, lines)
    }

    /// Starts the same binary as a Sentinel, without data and without the module.
    pub fn sentinel(lines: &[&str]) -> Self {
        Self::launched(Mode::Sentinel, Module::Absent, lines)
    }

    fn launched(mode: Mode, module: Module<'_>, lines: &[&str]) -> Self {
        let directory = temporary_directory();
        let (child, port) = eventually("free ports for the server", || {
            let ports = Ports { clients: free_port(), cluster: free_port() };
            settings::write(directory.path(), mode, module, &ports, lines);
            launch(directory.path(), mode, ports.clients).map(|child| (child, ports.clients))
        });
        let mut server = Self {
            child: Some(child),
            paused: AtomicBool::new(false),
            mode,
            port,
            directory,
            version: ServerVersion::Redis { major: 0, minor: 0 },
        };
        server.version = ServerVersion::of(&mut server.connect());
        server
    }

    /// Returns the log of a server that does not start with this configuration. Panics if it starts.
    #[track_caller]
    pub fn refused(module: Module<'_>, lines: &[&str]) -> String {
        let directory = temporary_directory();
        eventually("free ports for the server", || {
            let ports = Ports { clients: free_port(), cluster: free_port() };
            settings::write(directory.path(), Mode::Data, module, &ports, lines);
            bind_error(directory.path(), ports.clients)
        })
    }

    /// Starts a replica of this server and waits until it follows.
    pub fn start_replica(&self, lines: &[&str]) -> Self {
        let replica = Self::with(lines);
        replica.follow(self);
        replica
    }

    /// Starts a replica of this server that first loads the snapshot that this server wrote last. Waits until the
    /// replica follows.
    pub fn start_replica_from_snapshot(&self, lines: &[&str]) -> Self {
        let mut replica = Self::with(lines);
        replica.stop(Stop::NoSave);
        let snapshot = "dump.rdb";
        std::fs::copy(self.path(snapshot), replica.path(snapshot)).expect("there is a snapshot");
        let file = replica.path(settings::FILE);
        let lines = std::fs::read_to_string(&file).expect("the configuration file can be read");
        let write = |text: &str| std::fs::write(&file, text).expect("the file can be written");
        write(&format!("{lines}\nreplicaof 127.0.0.1 {}\n", self.port));
        replica.start_again();
        write(&lines);
        let mut client = replica.connect();
        until("the replica's link is up", || client.info("master_link_status") == "up");
        replica
    }

    /// Makes this server a replica of `primary` and waits until the link is up.
    pub fn follow(&self, primary: &Self) {
        self.begin_to_follow(primary);
        let mut client = self.connect();
        until("the replica's link is up", || client.info("master_link_status") == "up");
    }

    pub fn begin_to_follow(&self, primary: &Self) {
        let port = primary.port;
        self.connect().run::<()>(&format!("REPLICAOF 127.0.0.1 {port}"));
    }

    /// Returns the module's path, for a server that loads it at run time.
    pub fn module_path() -> String {
        paths::module().display().to_string()
    }

    pub fn server_version(&self) -> ServerVersion {
        self.version
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn connect(&self) -> Client {
        self.connect_speaking(ProtocolVersion::RESP2)
    }

    pub fn connect_speaking(&self, protocol: ProtocolVersion) -> Client {
        Client::open(self.port, protocol, REPLY_WAIT).expect("the server accepts a connection")
    }

    pub fn connect_raw(&self) -> Raw {
        let stream =
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("the server accepts");
        stream.set_read_timeout(Some(scaled_timeout(REPLY_WAIT))).expect("a read timeout");
        Raw::new(stream)
    }

    pub fn stop(&mut self, how: Stop) {
        let mut child = self.child.take().expect("the server runs");
        match how {
            Stop::Kill => child.kill().expect("the server can be killed"),
            Stop::NoSave => self.connect().send("SHUTDOWN NOSAVE NOW FORCE"),
            Stop::Save => self.connect().send("SHUTDOWN SAVE NOW"),
        }
        self.paused.store(false, Ordering::Relaxed);
        if matches!(how, Stop::Kill) {
            // A killed process ends, but the kernel may first finish a write to a slow disk.
            child.wait().expect("the server can be waited for");
        } else if !ends_in_time(&mut child) {
            child.kill().ok();
            child.wait().ok();
            panic!("the server did not stop: {how:?}\n{}", self.log());
        }
    }

    /// Starts the server again with its port, its directory and its configuration.
    pub fn start_again(&mut self) {
        let child = eventually("the server starts again", || {
            launch(self.directory.path(), self.mode, self.port)
        });
        self.child = Some(child);
    }

    /// Like [`Self::start_again`], with additional lines in its configuration file.
    pub fn start_again_with(&mut self, lines: &[&str]) {
        let file = self.path(settings::FILE);
        let before = std::fs::read_to_string(&file).expect("the configuration file can be read");
        let after = format!("{before}\n{}\n", lines.join("\n"));
        std::fs::write(&file, after).expect("the configuration file can be written");
        self.start_again();
    }

    /// Returns the log of a server that fails to start again. Panics if it starts.
    #[track_caller]
    pub fn start_in_vain(&self) -> String {
        assert!(self.child.is_none(), "the server runs");
        eventually("the server's port is free", || bind_error(self.directory.path(), self.port))
    }

    pub fn restart(&mut self, how: Stop) {
        self.stop(how);
        self.start_again();
    }

    /// Stops the process as if all its links were cut. The kernel still accepts connections and bytes for it.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        self.paused.store(true, Ordering::Relaxed);
    }

    /// Resumes a paused process. It then reads the bytes that arrived in the meantime.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
        self.paused.store(false, Ordering::Relaxed);
    }

    /// Returns whether the server runs: it is neither stopped nor paused.
    pub fn is_running(&self) -> bool {
        self.child.is_some() && !self.paused.load(Ordering::Relaxed)
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("the server runs");
        kill_process(Pid::from_child(child), signal).expect("a child can be sent a signal");
    }

    pub fn log(&self) -> String {
        read_log(self.directory.path())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.paused.load(Ordering::Relaxed) {
            self.resume();
        }
        if let Some(mut child) = self.child.take() {
            // Shut down cleanly so that coverage and leak checkers write their reports.
            if let Ok(mut client) = Client::open(self.port, ProtocolVersion::RESP2, END_WAIT) {
                client.send("SHUTDOWN NOSAVE NOW FORCE");
            }
            if !ends_in_time(&mut child) {
                child.kill().ok();
                child.wait().ok();
            }
        }
        let log = self.log();
        let crashed = CRASH_MARKS.iter().any(|mark| log.contains(mark));
        if crashed || std::thread::panicking() {
            eprintln!("--- log of the server on port {} ---\n{log}", self.port);
        }
        assert!(!crashed || std::thread::panicking(), "the server crashed");
    }
}

/// Uses memory where possible, because syncs to a busy disk would slow down every other test.
fn temporary_directory() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a temporary directory")
}

/// Returns a port that no socket has. The system gives ports above these to listeners that leave the choice to it, such
/// as the servers of other tests that are no Redis: they must not get the port before the server has it.
fn free_port() -> u16 {
    eventually("a free port", || {
        let offset = u16::try_from(RandomState::new().hash_one(()) % 22_000).unwrap_or_default();
        let port = 10_000 + offset;
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok().then_some(port)
    })
}

/// Starts the server and waits until it replies. Returns `None` if its port was taken in the meantime.
fn launch(directory: &Path, mode: Mode, port: u16) -> Option<Child> {
    match try_launch(directory, mode, port) {
        Ok(child) => Some(child),
        Err(log) if is_about_its_port(&log) => None,
        Err(log) => panic!("the server did not start:\n{log}"),
    }
}

/// Returns the log of a server that does not start. Returns `None` if its port was taken in the meantime.
fn bind_error(directory: &Path, port: u16) -> Option<String> {
    match try_launch(directory, Mode::Data, port) {
        Ok(mut child) => {
            child.kill().ok();
            child.wait().ok();
            panic!("the server started:\n{}", read_log(directory));
        }
        Err(log) => {
            let crashed = CRASH_MARKS.iter().any(|mark| log.contains(mark));
            assert!(!crashed, "the server crashed:\n{log}");
            (!is_about_its_port(&log)).then_some(log)
        }
    }
}

fn is_about_its_port(log: &str) -> bool {
    log.contains("Address already in use")
}

/// Starts the server and waits until it replies. Returns its log if it ends before that.
fn try_launch(directory: &Path, mode: Mode, port: u16) -> Result<Child, String> {
    let file = directory.join("server.log");
    let log = log_file(&file);
    let length_before = read_log(directory).len();
    let mut child = Command::new(paths::server_binary())
        .arg(directory.join(settings::FILE))
        .args(mode.argument())
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle of the log"))
        .stderr(log)
        .spawn()
        .expect("the server's binary runs: is SERVER right?");
    let ready = within(scaled_timeout(REPLY_WAIT), || {
        let ended = child.try_wait().expect("the child's status is known").is_some();
        (ended || answers(directory, mode, port)).then_some(!ended)
    });
    if ready == Some(true) {
        return Ok(child);
    }
    child.kill().ok();
    child.wait().ok();
    let log = read_log(directory).split_off(length_before);
    assert_eq!(ready, Some(false), "the server neither replies nor ends:\n{log}");
    Err(log)
}

/// Returns whether the server on the port is ready and is the one that this test launched.
fn answers(directory: &Path, mode: Mode, port: u16) -> bool {
    let Ok(mut client) = Client::open(port, ProtocolVersion::RESP2, REPLY_WAIT) else {
        return false;
    };
    // A server rejects this command while it loads a dataset.
    let ready = mode == Mode::Sentinel || client.attempt::<i64>("DBSIZE").is_ok();
    // The path of its configuration file identifies a server.
    let file = directory.join(settings::FILE);
    ready
        && client.attempt::<String>("INFO server").is_ok_and(|info| {
            info_field(&info, "config_file").is_some_and(|path| Path::new(path) == file)
        })
}

fn log_file(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).expect("the log can be written")
}

fn read_log(directory: &Path) -> String {
    let bytes = std::fs::read(directory.join("server.log")).expect("the log can be read");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn ends_in_time(child: &mut Child) -> bool {
    within(scaled_timeout(END_WAIT), || child.try_wait().expect("the child's status is known"))
        .is_some()
}
