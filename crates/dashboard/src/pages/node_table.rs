//! The table of nodes.

use maud::{Markup, html};
use ratelog_client::nodes::Role;

use super::format;
use crate::poll::{NodeState, NodeStatus, Snapshot};

/// The nodes with their states.
pub fn node_table(snapshot: &Snapshot) -> Markup {
    html! {
        div.scroll { table {
            thead { tr {
                th { "Node" } th { "Role" } th { "State" } th.number { "Checks/s" } th.number { "Denied" }
                th.number { "Memory" } th { "Policies" } th.number { "Overrides" } th { "Server" } th { "Up for" }
            } }
            tbody { @for node in &snapshot.nodes { (row(node)) } }
        } }
    }
}

fn row(node: &NodeStatus) -> Markup {
    let info = node.info.as_ref();
    let module = info.and_then(|info| info.module.as_ref());
    html! {
        tr id={ "node-" (node.address) } {
            td { (node.address) }
            td { (role(node)) }
            td { (state(node)) }
            td.number { @if node.is_primary() { (format::rate(node.rate.checks())) } }
            td.number { @if node.is_primary() { (format::percent(node.rate.denial_ratio())) } }
            td.number { @if let Some(info) = info {
                (format::bytes(info.used_memory))
                @if info.max_memory > 0 { " of " (format::bytes(info.max_memory)) }
            } }
            td { @if let Some(module) = module {
                (module.policies) " " code title={ "Digest " (module.digest) } { (module.digest.get(..8).unwrap_or_default()) }
            } }
            td.number { @if let Some(module) = module { (format::grouped(module.overrides)) } }
            td { @if let Some(info) = info { (info.server) } }
            td { @if let Some(info) = info { (format::duration(info.uptime)) } }
        }
    }
}

fn role(node: &NodeStatus) -> Markup {
    let link = node.info.as_ref().and_then(|info| info.replication);
    html! {
        @match &node.role {
            Role::Primary => "primary",
            Role::Replica { of } => {
                "replica of " (of)
                @if let Some(lag) = link.and_then(|link| link.lag_seconds) { ", " (lag) " s ago" }
            }
        }
    }
}

fn state(node: &NodeStatus) -> Markup {
    html! {
        @match &node.state {
            NodeState::Unknown => span.state { "not asked yet" },
            NodeState::Up => span.state.good { "answers" },
            NodeState::NoModule => span.state.bad { "no module" },
            NodeState::Down { error, since } => span.state.bad title=(error) { "down for " (format::duration(*since)) },
        }
    }
}
