//! The nodes that a primary or a cluster knows.

use std::collections::BTreeMap;

use redis::InfoDict;

use super::link::Link;
use super::node::Role;
use crate::Error;
use crate::command::{Command, Routing};
use crate::limiter::topology::Topology;

/// The nodes of a primary: itself and its replicas. If the server is a replica, the primary that it follows and itself.
pub(super) async fn of_server(link: &Link) -> Result<BTreeMap<String, Role>, Error> {
    let info = Command::other(redis::cmd("INFO").arg("replication").to_owned(), Routing::Any);
    let info: InfoDict = redis::from_redis_value(link.query(&info, false).await?)
        .map_err(|error| Error::Redis(error.into()))?;
    let address = link.address().to_owned();
    if let (Some("slave"), Some(host), Some(port)) = (
        info.get::<String>("role").as_deref(),
        info.get::<String>("master_host"),
        info.get::<u16>("master_port"),
    ) {
        let primary = format!("{host}:{port}");
        return Ok(
            [(address, Role::Replica { of: primary.clone() }), (primary, Role::Primary)].into()
        );
    }
    let count: usize = info.get("connected_slaves").unwrap_or_default();
    let replicas = (0..count).filter_map(|index| info.get::<String>(&format!("slave{index}")));
    let mut nodes: BTreeMap<_, _> = replicas
        .filter_map(|text| address_of_replica(&text))
        .map(|replica| (replica, Role::Replica { of: address.clone() }))
        .collect();
    nodes.insert(address, Role::Primary);
    Ok(nodes)
}

/// The nodes of a cluster.
pub(super) fn of_cluster(topology: &Topology) -> BTreeMap<String, Role> {
    let replicas = topology.replicas.iter();
    let mut nodes: BTreeMap<_, _> = replicas
        .map(|(replica, primary)| (replica.clone(), Role::Replica { of: primary.clone() }))
        .collect();
    nodes.extend(topology.ranges.iter().map(|(_, primary)| (primary.clone(), Role::Primary)));
    nodes
}

/// Parses `ip=192.0.2.1,port=6379,state=online,…`.
fn address_of_replica(text: &str) -> Option<String> {
    let field = |name: &str| {
        text.split(',').find_map(|field| field.split_once('=').filter(|(key, _)| *key == name))
    };
    let ((_, host), (_, port)) = (field("ip")?, field("port")?);
    port.parse::<u16>().ok().filter(|port| *port > 0)?;
    Some(format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::address_of_replica;

    #[test]
    fn the_address_of_a_replica_is_its_ip_and_port() {
        let parse = |text| address_of_replica(text);
        let line = "ip=192.0.2.1,port=6379,state=online,offset=14,lag=1";
        assert_eq!(parse(line).as_deref(), Some("192.0.2.1:6379"));
        assert_eq!(parse("ip=2001:db8::1,port=1").as_deref(), Some("2001:db8::1:1"));
        for text in ["", "ip=192.0.2.1", "port=6379", "ip=192.0.2.1,port=0", "ip=192.0.2.1,port=x"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
