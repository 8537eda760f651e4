//! A real cluster. Each primary has an equal share of the slots and the same number of replicas.

use std::collections::BTreeSet;
use std::ops::{Index, IndexMut};
use std::time::Duration;

use super::client::info_field;
use super::cluster_view::View;
use super::wait::{eventually, scaled_timeout, until, within};
use super::{Client, Module, Server, assert_same_dataset, policies};

const SLOTS: usize = 16_384;
/// Long enough that a busy machine does not lose nodes, and short enough to wait for.
const NODE_TIMEOUT: Duration = Duration::from_secs(2);
/// A little longer than a manual failover may take.
const FAILOVER_TIMEOUT: Duration = Duration::from_secs(6);

pub struct Cluster {
    nodes: Vec<Server>,
    primaries: usize,
}

impl Cluster {
    /// Starts the nodes and waits until they all agree on the roles. Indexes count the primaries first, then
    /// the first replica of each primary, and so on.
    pub fn start(primaries: usize, replicas_each: usize) -> Self {
        Self::with(primaries, replicas_each, &[])
    }

    /// Starts a cluster with additional lines in the nodes' configuration files.
    pub fn with(primaries: usize, replicas_each: usize, lines: &[&str]) -> Self {
        Self::configured(Module::Loaded, primaries, replicas_each, lines)
    }

    /// Like [`Self::with`], with the given lines about the module in the configuration files.
    pub fn configured(
        module: Module<'_>,
        primaries: usize,
        replicas_each: usize,
        lines: &[&str],
    ) -> Self {
        let mut all = vec!["cluster-enabled yes"];
        all.extend(lines);
        let count = primaries * (1 + replicas_each);
        let nodes = (0..count).map(|_| Server::configured(module, &all)).collect();
        let cluster = Self { nodes, primaries };
        cluster.share_slots_out();
        cluster.introduce_nodes();
        cluster.attach_replicas();
        until("the cluster is up", || cluster.is_whole());
        cluster
    }

    /// Like [`Self::with`], but the nodes soon mark a node that does not reply as failed.
    pub fn impatient(primaries: usize, replicas_each: usize, lines: &[&str]) -> Self {
        let timeout = format!("cluster-node-timeout {}", scaled_timeout(NODE_TIMEOUT).as_millis());
        let mut all = vec![timeout.as_str()];
        all.extend(lines);
        Self::with(primaries, replicas_each, &all)
    }

    fn share_slots_out(&self) {
        for (place, node) in self.nodes.iter().enumerate() {
            let mut db = node.connect();
            db.run::<()>(&format!("CLUSTER SET-CONFIG-EPOCH {}", place + 1));
            if place < self.primaries {
                let first = SLOTS * place / self.primaries;
                let last = SLOTS * (place + 1) / self.primaries - 1;
                db.run::<()>(&format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
            }
        }
    }

    fn introduce_nodes(&self) {
        for (place, node) in self.nodes.iter().enumerate() {
            let (_, bus): (String, u16) = node.connect().run("CONFIG GET cluster-port");
            for earlier in &self.nodes[..place] {
                let port = node.port();
                earlier.connect().run::<()>(&format!("CLUSTER MEET 127.0.0.1 {port} {bus}"));
            }
        }
    }

    fn attach_replicas(&self) {
        for (place, node) in self.nodes.iter().enumerate().skip(self.primaries) {
            let primary = &self.nodes[place % self.primaries];
            let command = format!("CLUSTER REPLICATE {}", Self::id_of(primary));
            let mut db = node.connect();
            // The replica rejects the command until it knows its primary.
            until("the replica is attached", || db.attempt::<()>(&command).is_ok());
        }
    }

    /// Returns whether every node is linked and available, and all nodes see the same roles and slots.
    fn is_whole(&self) -> bool {
        let mut views = self.nodes.iter().map(|node| {
            let mut db = node.connect();
            let view = View::of(&mut db);
            let whole = view.serves
                && view.members.len() == self.nodes.len()
                && view.members.iter().all(|member| member.healthy)
                && is_linked(&mut db);
            whole.then_some(view)
        });
        let Some(Some(first)) = views.next() else { return false };
        views.all(|view| view.as_ref() == Some(&first))
    }

    pub fn each_node(&self) -> impl Iterator<Item = &Server> {
        self.nodes.iter()
    }

    /// Returns the nodes that are neither stopped nor paused.
    pub fn running(&self) -> impl Iterator<Item = &Server> {
        self.nodes.iter().filter(|node| node.is_running())
    }

    pub fn slot_of(&self, key: &str) -> u16 {
        self.running().next().expect("a node runs").connect().run(["CLUSTER", "KEYSLOT", key])
    }

    /// Returns the index of the key's primary. Waits until all running nodes agree on it and it is available.
    #[track_caller]
    pub fn primary_of(&self, key: &str) -> usize {
        eventually("all nodes name one primary", || self.agreed_primary_of(key))
    }

    /// Waits until all running nodes agree on a new primary for the key, and returns its index.
    #[track_caller]
    pub fn primary_after(&self, old: usize, key: &str) -> usize {
        eventually("all nodes name another primary", || {
            self.agreed_primary_of(key).filter(|&place| place != old)
        })
    }

    fn agreed_primary_of(&self, key: &str) -> Option<usize> {
        let slot = self.slot_of(key);
        let mut named = self.running().map(|node| {
            let view = View::of(&mut node.connect());
            view.primary_of(slot).filter(|_| view.serves)
        });
        let port = named.next()??;
        let agreed = named.all(|other| other == Some(port));
        let place = self.nodes.iter().position(|node| node.port() == port)?;
        let primary = &self.nodes[place];
        let itself = primary.is_running() && is_primary(&mut primary.connect());
        (agreed && itself).then_some(place)
    }

    /// Returns the index of a replica of the key's primary.
    #[track_caller]
    pub fn replica_of(&self, key: &str) -> usize {
        let primary = self.primary_of(key);
        let port = self.nodes[primary].port();
        eventually("the primary has a replica", || {
            let view = View::of(&mut self.nodes[primary].connect());
            let replica = view.replicas_of(port).next()?;
            self.nodes.iter().position(|node| node.port() == replica && node.is_running())
        })
    }

    /// Promotes the replica at `place` in agreement with its primary, which then follows it.
    #[track_caller]
    pub fn promote(&self, place: usize) {
        let mut db = self.nodes[place].connect();
        // The server aborts a failover after a while when the other nodes are busy.
        eventually("the replica is the primary", || {
            db.send("CLUSTER FAILOVER");
            within(scaled_timeout(FAILOVER_TIMEOUT), || is_primary(&mut db).then_some(()))
        });
        until("all nodes agree on the new primary", || self.is_whole());
    }

    /// Moves the slot of `key` to the primary at `to`, key by key, as resharding tools do. Calls `after_each` after each
    /// key that has moved, with its place and the number of keys.
    #[track_caller]
    pub fn migrate(&self, key: &str, to: usize, mut after_each: impl FnMut(&str, usize, usize)) {
        let (slot, from) = (self.slot_of(key), self.primary_of(key));
        let nodes = [&self.nodes[from], &self.nodes[to]];
        let [source_id, target_id] = nodes.map(Self::id_of);
        let [mut source, mut target] = nodes.map(Server::connect);
        target.run::<()>(&format!("CLUSTER SETSLOT {slot} IMPORTING {source_id}"));
        source.run::<()>(&format!("CLUSTER SETSLOT {slot} MIGRATING {target_id}"));
        let keys: Vec<String> = source.run(&format!("CLUSTER GETKEYSINSLOT {slot} 100"));
        let port = self.nodes[to].port();
        for (place, key) in keys.iter().enumerate() {
            source.run::<()>(["MIGRATE", "127.0.0.1", &port.to_string(), key, "0", "20000"]);
            after_each(key, place, keys.len());
        }
        for db in [&mut target, &mut source] {
            db.run::<()>(&format!("CLUSTER SETSLOT {slot} NODE {target_id}"));
        }
        until("all nodes know that the slot has moved", || self.primary_of(key) == to);
    }

    /// Waits until all nodes agree on the cluster's state, then compares each replica with its primary, and the
    /// policies of all nodes.
    #[track_caller]
    pub fn assert_one_truth(&self) {
        until("all nodes agree", || self.is_whole());
        let view = View::of(&mut self.nodes[0].connect());
        for primary in view.members.iter().filter(|member| member.is_primary()) {
            for replica in view.replicas_of(primary.port) {
                assert_same_dataset(self.node_at(primary.port), self.node_at(replica));
            }
        }
        self.wait_for_equal_policies();
    }

    /// Waits until all running nodes have the same policies.
    #[track_caller]
    pub fn wait_for_equal_policies(&self) {
        until("all nodes have the same policies", || {
            let distinct: BTreeSet<_> =
                self.running().map(|node| policies(&mut node.connect())).collect();
            distinct.len() == 1
        });
    }

    /// Returns the node's own ID.
    pub fn id_of(node: &Server) -> String {
        node.connect().run("CLUSTER MYID")
    }

    fn node_at(&self, port: u16) -> &Server {
        self.nodes
            .iter()
            .find(|node| node.port() == port)
            .expect("the port belongs to a node of the cluster")
    }
}

impl Index<usize> for Cluster {
    type Output = Server;

    fn index(&self, place: usize) -> &Server {
        &self.nodes[place]
    }
}

impl IndexMut<usize> for Cluster {
    fn index_mut(&mut self, place: usize) -> &mut Server {
        &mut self.nodes[place]
    }
}

fn is_primary(db: &mut Client) -> bool {
    let info: String = db.run("INFO replication");
    info_field(&info, "role") == Some("master")
}

/// Returns whether the node is a primary, or a replica with a link to its primary.
fn is_linked(db: &mut Client) -> bool {
    let info: String = db.run("INFO replication");
    info_field(&info, "master_link_status").is_none_or(|status| status == "up")
}
