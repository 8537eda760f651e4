use redis::{Cmd, Value, cmd};

use super::overrides::{self, Override};
use super::{Command, NodeAddress, Routing};
use crate::reply::{self, Fields, InvalidReply};

/// The options of the commands that list overrides.
///
/// ```
/// use ratelog_client::command::{ListOptions, override_pages};
///
/// let options = ListOptions::default().with_pattern("user:*").with_count(500);
/// let first = override_pages(&options);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    pattern: Option<Vec<u8>>,
    count: Option<u32>,
}

impl ListOptions {
    /// Lists only keys that match a glob-style pattern, as of the server's `SCAN`. A page may then be empty, although
    /// others follow.
    #[must_use]
    pub fn with_pattern(self, pattern: impl AsRef<[u8]>) -> Self {
        Self { pattern: Some(pattern.as_ref().to_owned()), ..self }
    }

    /// Sets the maximum number of overrides in a page, from 1 to 1,000. The default is 100.
    #[must_use]
    pub fn with_count(self, count: u32) -> Self {
        Self { count: Some(count), ..self }
    }
}

/// A part of one node's overrides, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OverridePage {
    /// The overrides with their keys.
    pub overrides: Vec<ListedOverride>,
    /// The place of the next page, or `None` if this is the node's last one.
    pub next: Option<OverrideCursor>,
}

/// The place of a page in the list of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OverrideCursor {
    /// The node of a cluster, or `None` for the server of a connection to one server.
    pub node: Option<NodeAddress>,
    /// The cursor in the reply of the page before.
    pub cursor: u64,
}

/// An override and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedOverride {
    /// The key.
    pub key: Vec<u8>,
    /// The number of its database.
    pub database: u32,
    /// The override.
    pub key_override: Override,
}

/// `RL.OVERRIDE LIST`: the first page of the server, or of each primary of a cluster.
#[must_use]
pub fn override_pages(options: &ListOptions) -> Command<Vec<OverridePage>> {
    Command::new(list(0, options), Routing::EveryPrimary, |value| {
        page(value).map(|page| vec![page])
    })
    .with_node_by(|pages, node| pages.into_iter().map(|page| at(page, node)).collect())
    .merge_with(|nodes| Some(nodes.concat()))
}

/// `RL.OVERRIDE LIST CURSOR`: the page of one node at `cursor`.
///
/// An override that stays on its key is in exactly one page of its node. A cursor is invalid after its node has restarted
/// or loaded its dataset again: start with [`override_pages`].
#[must_use]
pub fn next_override_page(cursor: &OverrideCursor, options: &ListOptions) -> Command<OverridePage> {
    let routing = cursor.node.clone().map_or(Routing::Any, Routing::Node);
    Command::new(list(cursor.cursor, options), routing, page).with_node_by(at)
}

fn list(cursor: u64, options: &ListOptions) -> Cmd {
    let mut cmd = cmd("RL.OVERRIDE");
    cmd.arg("LIST").arg("CURSOR").arg(cursor);
    if let Some(pattern) = &options.pattern {
        cmd.arg("MATCH").arg(pattern);
    }
    if let Some(count) = options.count {
        cmd.arg("COUNT").arg(count);
    }
    cmd
}

/// Sets the node of a page.
fn at(page: OverridePage, node: &NodeAddress) -> OverridePage {
    let next = page.next.map(|next| OverrideCursor { node: Some(node.clone()), ..next });
    OverridePage { next, ..page }
}

fn page(value: Value) -> Result<OverridePage, InvalidReply> {
    let (cursor, overrides): (u64, Value) = reply::parse(value)?;
    Ok(OverridePage {
        overrides: reply::array(overrides, listed)?,
        next: (cursor != 0).then_some(OverrideCursor { node: None, cursor }),
    })
}

fn listed(value: Value) -> Result<ListedOverride, InvalidReply> {
    let mut fields = Fields::from_value(value)?;
    let (key, database) = (fields.parse("key")?, fields.parse("database")?);
    Ok(ListedOverride { key, database, key_override: overrides::from_fields(fields)? })
}
