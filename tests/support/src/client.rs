//! A connection that accepts commands as one string and fails the test when a command fails.

use std::net::Ipv4Addr;
use std::time::Duration;

use redis::{
    ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue, IntoConnectionInfo, ProtocolVersion,
    RedisError, Value,
};

use super::{Decision, scaled_timeout, until};

pub const REPLY_WAIT: Duration = Duration::from_secs(60);

/// A command: one string of words, or separate words where they contain spaces or arbitrary bytes.
pub trait Command {
    fn words(self) -> Vec<Vec<u8>>;
}

impl Command for &str {
    fn words(self) -> Vec<Vec<u8>> {
        self.split(' ').map(Into::into).collect()
    }
}

impl Command for &String {
    fn words(self) -> Vec<Vec<u8>> {
        self.as_str().words()
    }
}

impl Command for &[&[u8]] {
    fn words(self) -> Vec<Vec<u8>> {
        self.iter().map(|word| word.to_vec()).collect()
    }
}

impl Command for &[String] {
    fn words(self) -> Vec<Vec<u8>> {
        self.iter().map(|word| word.clone().into_bytes()).collect()
    }
}

impl<const N: usize> Command for [&[u8]; N] {
    fn words(self) -> Vec<Vec<u8>> {
        self.as_slice().words()
    }
}

impl<const N: usize> Command for [&str; N] {
    fn words(self) -> Vec<Vec<u8>> {
        self.into_iter().map(Into::into).collect()
    }
}

impl Command for Vec<Vec<u8>> {
    fn words(self) -> Vec<Vec<u8>> {
        self
    }
}

pub struct Client(redis::Connection);

impl Client {
    /// Connects to the server on the port. `wait` is the timeout of each reply.
    pub fn open(port: u16, protocol: ProtocolVersion, wait: Duration) -> Result<Self, String> {
        let wait = scaled_timeout(wait);
        redis::Client::open(address(port, protocol))
            .and_then(|client| client.get_connection_with_timeout(wait))
            .and_then(|connection| {
                connection.set_read_timeout(Some(wait))?;
                Ok(Self(connection))
            })
            .map_err(|error| text_of(&error))
    }

    /// Connects to the server on the port. Panics if it does not accept the connection.
    #[track_caller]
    pub fn at(port: u16) -> Self {
        Self::open(port, ProtocolVersion::RESP2, REPLY_WAIT)
            .expect("the server accepts a connection")
    }

    /// Returns the reply, or the whole text of the error.
    ///
    /// A broken connection is an error too. Its text starts with `connection`.
    pub fn attempt<T: FromRedisValue>(&mut self, command: impl Command) -> Result<T, String> {
        let mut packed = redis::Cmd::new();
        packed.arg(command.words());
        packed.query(&mut self.0).map_err(|error| text_of(&error))
    }

    #[track_caller]
    pub fn run<T: FromRedisValue>(&mut self, command: impl Command) -> T {
        let words = command.words();
        match self.attempt(words.clone()) {
            Ok(reply) => reply,
            Err(error) => panic!("{} failed: {error}", words.join(&b' ').escape_ascii()),
        }
    }

    /// Returns the text of the error. Panics if the command succeeds.
    #[track_caller]
    pub fn error(&mut self, command: impl Command) -> String {
        match self.attempt::<Value>(command) {
            Ok(reply) => panic!("expected an error, got {reply:?}"),
            Err(error) => error,
        }
    }

    #[track_caller]
    pub fn decide(&mut self, command: impl Command) -> Decision {
        self.run(command)
    }

    /// Returns the decisions of `RL.MCHECK`.
    #[track_caller]
    pub fn decide_all(&mut self, command: impl Command) -> Vec<Decision> {
        self.run(command)
    }

    /// Records units at chosen instants with the internal command of the replication stream.
    #[track_caller]
    pub fn record(&mut self, key: &str, retention_ms: i64, hits: &[(i64, i64)]) {
        let mut pipeline = redis::pipe();
        for (instant, units) in hits {
            pipeline.cmd("RL._RECORD").arg((instant, units, key, retention_ms));
        }
        let done = pipeline.exec(&mut self.0);
        done.expect("the units are recorded");
    }

    /// Restores a dump as a key without expiry. It replaces an existing key.
    pub fn restore(&mut self, key: &str, dump: &[u8]) -> Result<(), String> {
        let words = [&b"RESTORE"[..], key.as_bytes(), b"0", dump, b"REPLACE"];
        self.attempt(words)
    }

    /// Returns the reply of `RL.HITS` as pairs of an instant and units, newest first.
    #[track_caller]
    pub fn hits(&mut self, key: &str) -> Vec<(i64, i64)> {
        let pairs: Vec<Vec<i64>> = self.run(["RL.HITS", key, "COUNT", "10000"]);
        pairs.iter().map(|pair| (pair[0], pair[1])).collect()
    }

    /// Returns the number of units in `RL.HITS`.
    #[track_caller]
    pub fn units(&mut self, key: &str) -> i64 {
        self.hits(key).iter().map(|(_, units)| units).sum()
    }

    /// Returns the server's time.
    pub fn now_ms(&mut self) -> i64 {
        let (seconds, micros): (i64, i64) = self.run("TIME");
        seconds * 1000 + micros / 1000
    }

    /// Returns the digest of the whole dataset.
    pub fn digest(&mut self) -> String {
        self.run("DEBUG DIGEST")
    }

    /// Returns the digests of single values.
    pub fn value_digests(&mut self, keys: &[&str]) -> Vec<String> {
        self.run(&format!("DEBUG DIGEST-VALUE {}", keys.join(" ")))
    }

    /// Returns a field of `INFO`. Panics if `INFO` has no such field.
    #[track_caller]
    pub fn info(&mut self, field: &str) -> String {
        let info: String = self.run("INFO everything");
        match info_field(&info, field) {
            Some(value) => value.to_owned(),
            None => panic!("INFO has no {field}"),
        }
    }

    #[track_caller]
    pub fn info_number(&mut self, field: &str) -> i64 {
        self.info(field).parse().expect("the INFO field is a number")
    }

    /// Waits until the append-only file is on, rewritten if necessary, and written.
    pub fn wait_for_aof(&mut self) {
        until("the AOF is rewritten and written", || {
            let info: String = self.run("INFO persistence");
            let has = |field, value| info_field(&info, field) == Some(value);
            has("aof_rewrite_in_progress", "0")
                && has("aof_rewrite_scheduled", "0")
                && has("aof_last_bgrewrite_status", "ok")
                && has("aof_buffer_length", "0")
        });
    }

    /// Sends `READONLY` in a cluster, so that a replica serves reads. Returns whether this is a cluster.
    pub fn read_replica(&mut self) -> bool {
        let in_cluster = self.info("cluster_enabled") == "1";
        if in_cluster {
            self.run::<()>("READONLY");
        }
        in_cluster
    }

    /// Sends a command without waiting for the reply, for commands that end the connection.
    pub fn send(&mut self, command: impl Command) {
        self.attempt::<Value>(command).ok();
    }
}

pub fn info_field<'a>(info: &'a str, field: &str) -> Option<&'a str> {
    info.lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(name, value)| (name == field).then_some(value))
}

fn address(port: u16, protocol: ProtocolVersion) -> ConnectionInfo {
    let settings =
        redis::RedisConnectionInfo::default().set_protocol(protocol).set_skip_set_lib_name();
    ConnectionAddr::Tcp(Ipv4Addr::LOCALHOST.to_string(), port)
        .into_connection_info()
        .expect("a host and a port are an address")
        .set_redis_settings(settings)
}

fn text_of(error: &RedisError) -> String {
    match error.kind() {
        ErrorKind::Server(_) | ErrorKind::Extension => {
            let code = error.code().unwrap_or_default();
            match error.detail() {
                Some(detail) => format!("{code} {detail}"),
                None => code.to_owned(),
            }
        }
        _ => format!("connection: {error}"),
    }
}
