//! Metrics in the text format of Prometheus, and the check of health.

use std::fmt;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::app::App;
use crate::auth::ClientAddress;
use crate::operations::failure::Failure;
use crate::poll::{NodeState, NodeStatus, Snapshot};

const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics, for users who are signed in and for bearers of a token.
pub async fn guarded(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    if app.authenticator.may_read_metrics(&headers, address) {
        return Ok(text(&app));
    }
    Err(Failure::Unauthorized)
}

/// The metrics, on their own listener.
pub async fn open(State(app): State<App>) -> Response {
    text(&app)
}

/// 200 if the dashboard runs; its body says whether it reaches the servers.
pub async fn health(State(app): State<App>) -> Response {
    let snapshot = app.poller.snapshot();
    let up = snapshot.nodes.iter().filter(|node| node.state == NodeState::Up).count();
    let text = format!("ok: {up} of {} nodes answer\n", snapshot.nodes.len());
    (StatusCode::OK, text).into_response()
}

fn text(app: &App) -> Response {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Metrics(app.poller.snapshot())));
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => ([(CONTENT_TYPE, TEXT)], text).into_response(),
        Err(fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[derive(Debug)]
struct Metrics(std::sync::Arc<Snapshot>);

type Labels<'a> = Vec<(&'static str, &'a str)>;

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let nodes = &self.0.nodes;
        let up = nodes.iter().map(|node| (of(node), u64::from(node.state == NodeState::Up)));
        gauges(
            &mut encoder,
            "ratelog_up",
            "1 if the node answered with the module's counts, else 0.",
            up,
        )?;
        let roles = nodes.iter().map(|node| {
            let role = if node.is_primary() { "primary" } else { "replica" };
            (with(node, [("role", role)]), 1)
        });
        gauges(
            &mut encoder,
            "ratelog_node_role_info",
            "1. The role is primary or replica.",
            roles,
        )?;
        self.checks(&mut encoder)?;
        self.info(&mut encoder)
    }
}

impl Metrics {
    fn checks(&self, encoder: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
        let nodes = &self.0.nodes;
        let mut checks = Vec::new();
        let mut near = Vec::new();
        let mut by_rule = Vec::new();
        for node in nodes {
            for (policy, counts) in node.counts() {
                for (result, count) in [
                    ("allowed", counts.allowed.saturating_sub(counts.shadow_denied)),
                    ("denied", counts.denied),
                    ("shadow_denied", counts.shadow_denied),
                ] {
                    checks.push((with(node, [("policy", policy), ("result", result)]), count));
                }
                near.push((with(node, [("policy", policy)]), counts.near));
            }
            by_rule.push((node, node.denied_by_rule()));
        }
        counters(
            encoder,
            "ratelog_checks",
            "Checks, each with one result: allowed, denied or shadow_denied. The policy is empty for checks that named none, which are counted since the dashboard found the node.",
            checks.into_iter(),
        )?;
        counters(
            encoder,
            "ratelog_near_limit",
            "Allowed checks that left at most a fifth of the limit.",
            near.into_iter(),
        )?;
        let by_rule = by_rule.iter().flat_map(|(node, sums)| {
            sums.iter().map(|((policy, rule), denied)| {
                (with(node, [("policy", *policy), ("rule", rule)]), *denied)
            })
        });
        counters(
            encoder,
            "ratelog_denied_by_rule",
            "Checks that a policy denied, or would have denied in shadow mode, by the binding rule, such as 100/60s.",
            by_rule,
        )?;
        let overridden = nodes.iter().filter_map(|node| Some((of(node), node.total?.overridden)));
        counters(encoder, "ratelog_overridden", "Checks that an override decided.", overridden)?;
        let limits = self.0.limits();
        let limits = limits.iter().map(|((policy, window), limit)| {
            (vec![("policy", *policy), ("window", window)], *limit)
        });
        gauges(
            encoder,
            "ratelog_policy_limit",
            "The smallest limit of a policy in a window of so many seconds.",
            limits,
        )
    }

    fn info(&self, encoder: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
        let infos: Vec<_> =
            self.0.nodes.iter().filter_map(|node| Some((node, node.info.as_ref()?))).collect();
        // The last values of a lost node are no longer true, but for counters.
        let present = || infos.iter().filter(|(node, _)| !node.state.is_lost());
        let digests =
            present().filter_map(|(node, _)| Some((with(node, [("digest", node.digest()?)]), 1)));
        gauges(
            encoder,
            "ratelog_policies_digest_info",
            "1. Nodes with the same policies have the same digest.",
            digests,
        )?;
        let overrides =
            present().filter_map(|(node, info)| Some((of(node), info.module.as_ref()?.overrides)));
        gauges(encoder, "ratelog_overrides", "Keys with an override.", overrides)?;
        let permanent = present().filter(|(_, info)| info.module.is_some());
        let permanent =
            permanent.filter_map(|(node, _)| Some((of(node), node.overrides_without_end?)));
        gauges(
            encoder,
            "ratelog_overrides_without_end",
            "Keys with an override that has no end. Primaries only.",
            permanent,
        )?;
        let memory = present().map(|(node, info)| (of(node), info.used_memory));
        gauges(encoder, "ratelog_memory_used_bytes", "Memory that the node uses.", memory)?;
        let lag =
            present().filter_map(|(node, info)| Some((of(node), info.replication?.lag_seconds?)));
        gauges(
            encoder,
            "ratelog_replication_lag_seconds",
            "Seconds since a replica last heard from its primary or, without a link, since it lost the link. Replicas only.",
            lag,
        )?;
        let errors = infos.iter().map(|(node, info)| (of(node), info.nopolicy_errors));
        counters(
            encoder,
            "ratelog_nopolicy_errors",
            "Checks that named a policy that the node does not have.",
            errors,
        )?;
        let evicted = infos.iter().map(|(node, info)| (of(node), info.evicted_keys));
        counters(
            encoder,
            "ratelog_evicted_keys",
            "Keys that the node evicted because its memory was full.",
            evicted,
        )
    }
}

fn of(node: &NodeStatus) -> Labels<'_> {
    vec![("node", &node.address)]
}

fn with<'a, const N: usize>(
    node: &'a NodeStatus,
    more: [(&'static str, &'a str); N],
) -> Labels<'a> {
    let mut labels = of(node);
    labels.extend(more);
    labels
}

fn counters<'a>(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    values: impl Iterator<Item = (Labels<'a>, u64)>,
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in values {
        ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has floating-point numbers")]
fn gauges<'a>(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    values: impl Iterator<Item = (Labels<'a>, u64)>,
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in values {
        ConstGauge::new(value as f64).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
