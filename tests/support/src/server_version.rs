//! The version of the server under test, for the few features that some servers lack.

use super::client::{Client, info_field};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerVersion {
    Redis { major: u32, minor: u32 },
    Valkey { major: u32, minor: u32 },
}

impl ServerVersion {
    pub fn of(client: &mut Client) -> Self {
        let info: String = client.run("INFO server");
        let version = |field| info_field(&info, field).map(major_and_minor);
        if let Some((major, minor)) = version("valkey_version") {
            return Self::Valkey { major, minor };
        }
        let (major, minor) = version("redis_version").expect("INFO has the version");
        Self::Redis { major, minor }
    }

    /// Returns whether the server has `WAITAOF` and ACL categories of modules: Redis 7.2 and later, and every
    /// Valkey.
    pub fn has_7_2_features(self) -> bool {
        match self {
            Self::Redis { major, minor } => (major, minor) >= (7, 2),
            Self::Valkey { .. } => true,
        }
    }
}

fn major_and_minor(version: &str) -> (u32, u32) {
    let mut numbers =
        version.split('.').map(|part| part.parse().expect("a version is made of numbers"));
    let mut next = || numbers.next().expect("a version has a major and a minor");
    (next(), next())
}
