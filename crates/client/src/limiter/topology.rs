//! The nodes of a cluster and their hash slots, as `CLUSTER SLOTS` lists them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use redis::Value;
use redis::aio::ConnectionLike;
use tokio::task::JoinSet;

use super::connection::Connection;
use crate::Error;

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Topology {
    /// Ranges of slots, each with the address of its primary, `host:port`.
    pub(crate) ranges: Vec<(RangeInclusive<u16>, String)>,
    /// The address of each replica, with that of its primary.
    pub(crate) replicas: BTreeMap<String, String>,
}

impl Topology {
    /// Asks a node. `host` is the host of its address.
    pub(crate) async fn query(connection: &mut Connection, host: &str) -> Result<Self, Error> {
        let command = redis::cmd("CLUSTER").arg("SLOTS").to_owned();
        let reply = connection.req_packed_command(&command).await?.extract_error()?;
        let topology = Self::from_reply(&reply, host);
        if topology.ranges.is_empty() {
            let reason = "the node knows no node with hash slots".to_owned();
            return Err(Error::Reply { command: "CLUSTER SLOTS".to_owned(), reason });
        }
        Ok(topology)
    }

    /// The first answer of several nodes that were asked at once; if none answers, an error of one of them.
    pub(crate) async fn first(mut queries: JoinSet<Result<Self, Error>>) -> Result<Self, Error> {
        let mut error = Error::Unavailable("no node is known".to_owned());
        while let Some(answer) = queries.join_next().await {
            match answer {
                Ok(Ok(topology)) => return Ok(topology),
                Ok(Err(failure)) => error = failure,
                Err(_) => {}
            }
        }
        Err(error)
    }

    /// The addresses of all nodes.
    pub(crate) fn addresses(&self) -> BTreeSet<String> {
        let primaries = self.ranges.iter().map(|(_, primary)| primary);
        primaries.chain(self.replicas.keys()).cloned().collect()
    }

    /// Nodes without an address are left out: their slots have no owner.
    fn from_reply(reply: &Value, host: &str) -> Self {
        let Value::Array(rows) = reply else { return Self::default() };
        let mut topology = Self::default();
        for row in rows {
            let Value::Array(row) = row else { continue };
            let [Value::Int(first), Value::Int(last), nodes @ ..] = row.as_slice() else {
                continue;
            };
            let (Ok(first), Ok(last)) = (u16::try_from(*first), u16::try_from(*last)) else {
                continue;
            };
            let mut addresses = nodes.iter().map(|node| address(node, host));
            let Some(Some(primary)) = addresses.next() else { continue };
            let replicas = addresses.flatten().map(|replica| (replica, primary.clone()));
            topology.replicas.extend(replicas);
            topology.ranges.push((first..=last, primary));
        }
        topology
    }
}

/// The address of a node. The server sends no host if it is that of the node that answers, and "?" if it is unknown.
fn address(node: &Value, answering_host: &str) -> Option<String> {
    let Value::Array(fields) = node else { return None };
    let [host, Value::Int(port), others @ ..] = fields.as_slice() else { return None };
    // A node whose address was forgotten has port 0 and no host.
    if *port == 0 {
        return None;
    }
    let host = match host {
        Value::BulkString(host) => std::str::from_utf8(host).ok()?,
        Value::Nil => "",
        _ => return None,
    };
    match host {
        // The preferred name is unknown, but perhaps not the address.
        "?" => ip_in(others.get(1)?).map(|ip| format!("{ip}:{port}")),
        "" => Some(format!("{answering_host}:{port}")),
        host => Some(format!("{host}:{port}")),
    }
}

/// The field `ip` of a node's metadata: a map, or an array of names and values.
fn ip_in(metadata: &Value) -> Option<String> {
    let pairs: Vec<(String, String)> = redis::from_redis_value(metadata.clone()).ok()?;
    pairs.into_iter().find(|(name, _)| name == "ip").map(|(_, ip)| ip)
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::Topology;

    fn node(host: &str, port: i64) -> Value {
        let id = Value::BulkString(b"07c37dfeb235213a872192d90877d0cd55635b91".to_vec());
        Value::Array(vec![Value::BulkString(host.into()), Value::Int(port), id])
    }

    fn row(first: i64, last: i64, nodes: Vec<Value>) -> Value {
        Value::Array([vec![Value::Int(first), Value::Int(last)], nodes].concat())
    }

    #[test]
    fn primaries_own_slots_and_replicas_are_known() {
        let unnamed = Value::Array(vec![Value::Nil, Value::Int(3)]);
        let text = |text: &str| Value::BulkString(text.into());
        let metadata = Value::Array(vec![text("ip"), text("192.0.2.7")]);
        let with_metadata = Value::Array(vec![text("?"), Value::Int(7), text("id"), metadata]);
        let reply = Value::Array(vec![
            row(0, 5460, vec![node("192.0.2.1", 1), node("192.0.2.2", 2)]),
            row(5461, 5461, vec![node("", 4)]),
            row(5462, 5999, vec![node("?", 5), node("2001:db8::1", 6)]),
            row(6000, 9_999, vec![unnamed]),
            row(10_000, 16_383, vec![with_metadata]),
            row(16_383, 16_383, vec![node("", 0)]),
        ]);
        let topology = Topology::from_reply(&reply, "example.com");
        let ranges: Vec<_> =
            topology.ranges.iter().map(|(slots, node)| (slots.clone(), &**node)).collect();
        let expected = [
            (0..=5460, "192.0.2.1:1"),
            (5461..=5461, "example.com:4"),
            (6000..=9_999, "example.com:3"),
            (10_000..=16_383, "192.0.2.7:7"),
        ];
        assert_eq!(ranges, expected);
        let addresses = topology.addresses();
        let expected =
            ["192.0.2.1:1", "192.0.2.2:2", "192.0.2.7:7", "example.com:3", "example.com:4"];
        assert_eq!(addresses, expected.map(str::to_owned).into());
        let replica = ("192.0.2.2:2".to_owned(), "192.0.2.1:1".to_owned());
        assert_eq!(topology.replicas, [replica].into());
    }

    #[test]
    fn other_replies_have_no_nodes() {
        let wrong = [
            Value::Nil,
            Value::Array(vec![Value::Int(1), row(0, 70_000, vec![node("192.0.2.1", 1)])]),
            Value::Array(vec![row(0, 1, vec![Value::Int(1)]), row(0, 1, vec![])]),
        ];
        for reply in wrong {
            assert_eq!(Topology::from_reply(&reply, "example.com"), Topology::default());
        }
    }
}
