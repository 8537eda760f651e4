//! One poll of one node: at most three commands.

use std::sync::Arc;
use std::time::Duration;

use ratelog_client::Error;
use ratelog_client::command::{
    self, Command, ListOptions, OverrideCursor, OverridePage, Ranked, Ranking, Routing, Stats,
};
use ratelog_client::nodes::Node;
use ratelog_client::redis::{self, InfoDict};

use super::node_info::NodeInfo;
use super::policy_map::PolicyMap;
use crate::operations::policy_document;

/// The keys of each list of `RL.TOP`.
pub const TOP_KEYS: u32 = 100;

/// The command of a poll that is another one each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extra {
    /// None.
    None,
    /// `INFO`.
    Info,
    /// `RL.TOP CHECKED`.
    TopChecked,
    /// `RL.OVERRIDE LIST`: the page of a cursor.
    Overrides(OverrideCursor),
}

/// The replies of a node.
#[derive(Debug)]
pub struct Replies {
    pub stats: Result<Stats, Error>,
    pub top_denied: Option<Vec<Ranked>>,
    pub top_checked: Option<Vec<Ranked>>,
    pub info: Option<NodeInfo>,
    pub overrides: Option<OverridePage>,
}

/// Polls a node. The error of all replies is [`Error::Timeout`] if they take longer than `timeout` together.
pub async fn poll(node: Node, extra: Extra, timeout: Duration) -> Replies {
    let nothing = |error| Replies {
        stats: Err(error),
        top_denied: None,
        top_checked: None,
        info: None,
        overrides: None,
    };
    let replies = tokio::time::timeout(timeout, async {
        let stats = command::stats();
        let denied = command::top(Ranking::Denied, TOP_KEYS);
        let mut replies = nothing(Error::Timeout(timeout));
        let (stats, top_denied, ()) = tokio::join!(
            node.query(&stats),
            node.query(&denied),
            poll_extra(&node, extra, &mut replies)
        );
        Replies { stats, top_denied: top_denied.ok(), ..replies }
    });
    replies.await.unwrap_or_else(|_| nothing(Error::Timeout(timeout)))
}

async fn poll_extra(node: &Node, extra: Extra, replies: &mut Replies) {
    let options = ListOptions::default().with_count(1_000);
    match extra {
        Extra::None => {}
        Extra::Info => replies.info = fetch_info(node).await.ok(),
        Extra::TopChecked => {
            let checked = command::top(Ranking::Checked, TOP_KEYS);
            replies.top_checked = node.query(&checked).await.ok();
        }
        Extra::Overrides(cursor) => {
            let page = node.query(&command::next_override_page(&cursor, &options)).await;
            replies.overrides = page.ok();
        }
    }
}

/// Reads the policies of a node. `None` if the node does not answer, or if its digest is another one by now.
pub async fn fetch_policies(node: &Node, digest: &str) -> Option<PolicyMap> {
    let json = node.query(&command::export_policies()).await.ok()?;
    let info = fetch_info(node).await.ok()?;
    info.module.filter(|module| module.digest == digest)?;
    let policies = policy_document::parse(&json).ok()?.into_iter();
    Some(Arc::new(policies.map(|(name, policy)| (name.to_string(), policy)).collect()))
}

async fn fetch_info(node: &Node) -> Result<NodeInfo, Error> {
    let info = redis::cmd("INFO").arg(&NodeInfo::SECTIONS).to_owned();
    let reply = node.query(&Command::other(info, Routing::Any)).await?;
    let info: InfoDict =
        redis::from_redis_value(reply).map_err(|error| Error::Redis(error.into()))?;
    Ok(NodeInfo::from_info(&info))
}
