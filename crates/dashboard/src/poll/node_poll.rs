//! One poll of one node: at most three commands.

use std::time::Duration;

use ratelog_client::Error;
use ratelog_client::command::{self, Command, Ranked, Ranking, Routing, Stats};
use ratelog_client::nodes::Node;
use ratelog_client::redis::{self, InfoDict};

use super::node_info::NodeInfo;

/// The keys of each list of `RL.TOP`.
pub const TOP_KEYS: u32 = 100;

/// The command of a poll that is another one each second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// `INFO`.
    Info,
    /// `RL.TOP CHECKED`.
    TopChecked,
    /// None: the discovery asks the node.
    Discovery,
}

/// The replies of a node.
#[derive(Debug)]
pub struct Replies {
    pub stats: Result<Stats, Error>,
    pub top_denied: Option<Vec<Ranked>>,
    pub top_checked: Option<Vec<Ranked>>,
    pub info: Option<NodeInfo>,
}

/// Polls a node. The error of all replies is [`Error::Timeout`] if they take longer than `timeout` together.
pub async fn poll(node: Node, extra: Extra, timeout: Duration) -> Replies {
    let replies = tokio::time::timeout(timeout, async {
        let stats = command::stats();
        let denied = command::top(Ranking::Denied, TOP_KEYS);
        let (stats, top_denied, (info, top_checked)) =
            tokio::join!(node.query(&stats), node.query(&denied), poll_extra(&node, extra));
        Replies { stats, top_denied: top_denied.ok(), top_checked, info }
    });
    replies.await.unwrap_or(Replies {
        stats: Err(Error::Timeout(timeout)),
        top_denied: None,
        top_checked: None,
        info: None,
    })
}

async fn poll_extra(node: &Node, extra: Extra) -> (Option<NodeInfo>, Option<Vec<Ranked>>) {
    match extra {
        Extra::Info => (fetch_info(node).await.ok(), None),
        Extra::TopChecked => {
            (None, node.query(&command::top(Ranking::Checked, TOP_KEYS)).await.ok())
        }
        Extra::Discovery => (None, None),
    }
}

async fn fetch_info(node: &Node) -> Result<NodeInfo, Error> {
    let info = redis::cmd("INFO").arg(&NodeInfo::SECTIONS).to_owned();
    let reply = node.query(&Command::other(info, Routing::Any)).await?;
    let info: InfoDict =
        redis::from_redis_value(reply).map_err(|error| Error::Redis(error.into()))?;
    Ok(NodeInfo::from_info(&info))
}
