use std::time::SystemTime;

use ratelog_client_core::engine::{BreakerState, BreakerStatus};

/// The state of a limiter's connection to its server, or to the shards of its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The circuit breaker's state. A limiter without a server is always closed. In a cluster each shard has a breaker:
    /// closed if all of them are closed, else the state of one that is not.
    pub state: BreakerState,
    /// The time since which the server is available ([`BreakerState::Closed`]) or unavailable (the other states). In a
    /// cluster: all shards, or the first shard that is unavailable.
    pub since: SystemTime,
    /// The most recent error of a check or a probe, no matter how long ago. In a cluster: of an unavailable shard, if
    /// there is one.
    pub last_error: Option<String>,
    /// How many times the breaker opened. In a cluster: the breakers of all shards.
    pub opened: u64,
    /// Whether the script makes the checks: because the server does not have the module, or because you chose
    /// [`Backend::Script`](super::Backend::Script). In a cluster: on any shard.
    pub uses_script: bool,
    /// Whether the server reports keys that anybody changes, so that the deny cache drops their denials at once. In a
    /// cluster: every shard.
    pub tracking: bool,
    /// Checks that the server did not answer in time while the breaker was closed. The fallback decided them.
    pub unanswered: u64,
    /// The shards of a cluster; empty for another server, and before a node of the cluster has answered.
    pub shards: Vec<ShardHealth>,
}

/// The state of a limiter's connection to one shard of a cluster: to the node that owns its hash slots.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShardHealth {
    /// The node's address, `host:port`.
    pub address: String,
    /// The circuit breaker's state.
    pub state: BreakerState,
    /// The time since which the node is available ([`BreakerState::Closed`]) or unavailable (the other states).
    pub since: SystemTime,
    /// The most recent error of a check or a probe, no matter how long ago.
    pub last_error: Option<String>,
    /// How many times the breaker opened.
    pub opened: u64,
    /// Whether the script makes the checks.
    pub uses_script: bool,
    /// Whether the node reports keys that anybody changes.
    pub tracking: bool,
    /// Checks that the node did not answer in time while the breaker was closed.
    pub unanswered: u64,
}

impl Health {
    pub(super) fn of_server(server: ShardHealth) -> Self {
        let ShardHealth { state, since, last_error, opened, uses_script, tracking, .. } = server;
        let (unanswered, shards) = (server.unanswered, Vec::new());
        Self { state, since, last_error, opened, uses_script, tracking, unanswered, shards }
    }

    /// The state of a cluster. `discovery` is the state of the search for its nodes.
    pub(super) fn of_cluster(discovery: BreakerStatus, shards: Vec<ShardHealth>) -> Self {
        let unavailable = shards
            .iter()
            .filter(|shard| shard.state != BreakerState::Closed)
            .min_by_key(|shard| shard.since);
        let latest = shards.iter().max_by_key(|shard| shard.since);
        let shown = unavailable.or(latest);
        let (state, since) =
            shown.map_or((discovery.state, discovery.since), |shard| (shard.state, shard.since));
        let failed = shards.iter().filter(|shard| shard.last_error.is_some());
        let last_error = shown
            .and_then(|shard| shard.last_error.clone())
            .or_else(|| failed.max_by_key(|shard| shard.since)?.last_error.clone())
            .or(discovery.last_error);
        Self {
            state,
            since,
            last_error,
            opened: shards.iter().map(|shard| shard.opened).sum(),
            uses_script: shards.iter().any(|shard| shard.uses_script),
            tracking: !shards.is_empty() && shards.iter().all(|shard| shard.tracking),
            unanswered: shards.iter().map(|shard| shard.unanswered).sum(),
            shards,
        }
    }

    pub(super) const fn without_server(since: SystemTime) -> Self {
        Self {
            state: BreakerState::Closed,
            since,
            last_error: None,
            opened: 0,
            uses_script: false,
            tracking: false,
            unanswered: 0,
            shards: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn shard(since_s: u64, last_error: Option<&str>) -> ShardHealth {
        ShardHealth {
            address: "192.0.2.1:6379".to_owned(),
            state: BreakerState::Closed,
            since: SystemTime::UNIX_EPOCH + Duration::from_secs(since_s),
            last_error: last_error.map(str::to_owned),
            opened: 0,
            uses_script: false,
            tracking: false,
            unanswered: 0,
        }
    }

    fn last_error(shards: &[ShardHealth]) -> Option<String> {
        let discovery = BreakerStatus {
            state: BreakerState::Closed,
            since: SystemTime::UNIX_EPOCH,
            last_error: Some("not found".to_owned()),
            opened: 0,
        };
        Health::of_cluster(discovery, shards.to_vec()).last_error
    }

    #[test]
    fn the_error_of_a_cluster_is_that_of_an_unavailable_or_the_latest_shard() {
        let (gone, late) = (shard(1, Some("gone")), shard(2, Some("late")));
        let open = ShardHealth { state: BreakerState::Open, ..gone.clone() };
        for (shards, expected) in [
            (vec![open, late.clone()], "gone"),
            (vec![gone.clone(), late], "late"),
            (vec![gone, shard(2, None)], "gone"),
            (vec![shard(1, None)], "not found"),
            (vec![], "not found"),
        ] {
            assert_eq!(last_error(&shards).as_deref(), Some(expected), "{shards:?}");
        }
    }
}
