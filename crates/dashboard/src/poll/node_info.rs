use std::time::Duration;

use ratelog_client::redis::InfoDict;

/// The fields of a node's `INFO` that the dashboard shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeInfo {
    /// `Redis` or `Valkey`, with the version.
    pub server: String,
    /// The time since the server started.
    pub uptime: Duration,
    /// The memory that the server uses, in bytes.
    pub used_memory: u64,
    /// The maximum memory, in bytes; 0 if there is none.
    pub max_memory: u64,
    /// The keys that the server has evicted.
    pub evicted_keys: u64,
    /// The `NOPOLICY` errors that the server has replied with.
    pub nopolicy_errors: u64,
    /// Whether a replica is connected to its primary, and the seconds since it last heard from it. `None` for a primary.
    pub replication: Option<Replication>,
    /// The module's fields; `None` if the server does not have the module.
    pub module: Option<ModuleInfo>,
}

/// The link of a replica to its primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replication {
    /// Whether the replica is connected.
    pub is_connected: bool,
    /// The seconds since the last data from the primary or, if the replica is not connected, since it lost the
    /// connection; `None` if it never had one.
    pub lag_seconds: Option<u64>,
}

/// The module's fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleInfo {
    /// The number of policies.
    pub policies: u64,
    /// The digest of the policies: equal on two nodes if their policies are.
    pub digest: String,
    /// The keys with an override.
    pub overrides: u64,
}

impl NodeInfo {
    /// The sections of `INFO` that this reads.
    pub const SECTIONS: [&str; 6] =
        ["server", "memory", "stats", "replication", "errorstats", "rl"];

    /// Reads the reply of `INFO`.
    #[must_use]
    pub fn from_info(info: &InfoDict) -> Self {
        let number = |name: &str| info.get::<u64>(name).unwrap_or_default();
        let text = |name: &str| info.get::<String>(name);
        let server = match text("valkey_version") {
            Some(version) => format!("Valkey {version}"),
            None => format!("Redis {}", text("redis_version").unwrap_or_default()),
        };
        let replication = (text("role").as_deref() == Some("slave")).then(|| Replication {
            is_connected: text("master_link_status").as_deref() == Some("up"),
            // Without a connection the first field is -1. The second field is there only then, and is -1 if there never
            // was a connection.
            lag_seconds: info
                .get("master_last_io_seconds_ago")
                .or_else(|| info.get("master_link_down_since_seconds")),
        });
        Self {
            server,
            uptime: Duration::from_secs(number("uptime_in_seconds")),
            used_memory: number("used_memory"),
            max_memory: number("maxmemory"),
            evicted_keys: number("evicted_keys"),
            nopolicy_errors: text("errorstat_NOPOLICY")
                .and_then(|text| text.strip_prefix("count=")?.parse().ok())
                .unwrap_or_default(),
            replication,
            module: text("rl_policies_digest").map(|digest| ModuleInfo {
                policies: number("rl_policies"),
                digest,
                overrides: number("rl_overrides"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ratelog_client::redis::InfoDict;

    use super::{ModuleInfo, NodeInfo, Replication};

    #[test]
    fn fields_are_read() {
        let info = InfoDict::new(
            "# Server\r\nredis_version:7.2.4\r\nvalkey_version:9.1.2\r\nuptime_in_seconds:60\r\n\
             used_memory:100\r\nmaxmemory:200\r\nevicted_keys:3\r\nrole:slave\r\n\
             master_link_status:down\r\nmaster_last_io_seconds_ago:-1\r\n\
             errorstat_NOPOLICY:count=7\r\nrl_policies:2\r\nrl_policies_digest:abc\r\nrl_overrides:4\r\n",
        );
        let expected = NodeInfo {
            server: "Valkey 9.1.2".to_owned(),
            uptime: Duration::from_secs(60),
            used_memory: 100,
            max_memory: 200,
            evicted_keys: 3,
            nopolicy_errors: 7,
            replication: Some(Replication { is_connected: false, lag_seconds: None }),
            module: Some(ModuleInfo { policies: 2, digest: "abc".to_owned(), overrides: 4 }),
        };
        assert_eq!(NodeInfo::from_info(&info), expected);
        let lag = |fields: &str| {
            let info = InfoDict::new(&format!("role:slave\r\n{fields}"));
            NodeInfo::from_info(&info).replication.unwrap().lag_seconds
        };
        assert_eq!(lag("master_last_io_seconds_ago:7\r\n"), Some(7));
        let lost = "master_last_io_seconds_ago:-1\r\nmaster_link_down_since_seconds:";
        assert_eq!(lag(&format!("{lost}90\r\n")), Some(90));
        assert_eq!(lag(&format!("{lost}-1\r\n")), None);
        let plain = NodeInfo::from_info(&InfoDict::new("redis_version:7.0.15\r\nrole:master\r\n"));
        assert_eq!((&*plain.server, plain.replication, plain.module), ("Redis 7.0.15", None, None));
    }
}
