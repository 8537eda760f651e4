//! A cluster as one of its nodes sees it: `CLUSTER NODES`, and whether the node is available.

use super::Client;

/// Views are equal if the nodes see the same roles, slots and health.
#[derive(Debug, PartialEq, Eq)]
pub struct View {
    pub serves: bool,
    pub members: Vec<Member>,
}

/// A node as another node sees it. Nodes are ordered by port.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    pub port: u16,
    id: String,
    /// The primary's ID.
    follows: Option<String>,
    /// The node's address is known, and the node is not suspected to have failed.
    pub healthy: bool,
    /// The first and last slot of each range.
    slots: Vec<(u16, u16)>,
}

impl View {
    pub fn of(db: &mut Client) -> Self {
        let info: String = db.run("CLUSTER INFO");
        let nodes: String = db.run("CLUSTER NODES");
        let mut members: Vec<_> = nodes.lines().map(Member::parse).collect();
        members.sort();
        Self { serves: info.contains("cluster_state:ok"), members }
    }

    /// Returns the port of the slot's primary.
    pub fn primary_of(&self, slot: u16) -> Option<u16> {
        self.members.iter().find(|member| member.holds(slot)).map(|member| member.port)
    }

    /// Returns the ports of the replicas that follow the primary at `port`.
    pub fn replicas_of(&self, port: u16) -> impl Iterator<Item = u16> {
        let primary = self.members.iter().find(|member| member.port == port);
        let id = primary.map(|primary| primary.id.clone());
        let follows = move |member: &&Member| id.is_some() && member.follows == id;
        self.members.iter().filter(follows).map(|member| member.port)
    }
}

impl Member {
    /// Parses `id host:port@bus flags primary ping pong epoch link [slots ...]`.
    fn parse(line: &str) -> Self {
        let words: Vec<_> = line.split(' ').collect();
        let address = words[1].split('@').next().unwrap_or_default();
        let port = address.rsplit(':').next().and_then(|port| port.parse().ok());
        let flags: Vec<_> = words[2].split(',').collect();
        let ill = ["fail", "fail?", "handshake", "noaddr"];
        // Only the node itself shows a migrating slot, in brackets.
        let mut slots: Vec<_> = words[8..]
            .iter()
            .filter(|slots| !slots.starts_with('['))
            .map(|slots| range(slots))
            .collect();
        slots.sort_unstable();
        Self {
            port: port.expect("a node has a port"),
            id: words[0].to_owned(),
            follows: (words[3] != "-").then(|| words[3].to_owned()),
            healthy: !flags.iter().any(|flag| ill.contains(flag)),
            slots,
        }
    }

    pub fn is_primary(&self) -> bool {
        self.follows.is_none()
    }

    fn holds(&self, slot: u16) -> bool {
        self.slots.iter().any(|(first, last)| (first..=last).contains(&&slot))
    }
}

/// Parses `first-last` or one slot.
fn range(text: &str) -> (u16, u16) {
    let number = |text: &str| text.parse().expect("a slot is a number");
    match text.split_once('-') {
        Some((first, last)) => (number(first), number(last)),
        None => (number(text), number(text)),
    }
}
