use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::overview::Rates;
use super::parameters::Parameters;
use crate::app::App;
use crate::auth::Viewer;
use crate::clock::unix_ms;
use crate::history::Range;
use crate::operations::failure::Failure;
use crate::poll::Snapshot;

/// Which history.
#[derive(Deserialize, IntoParams)]
pub struct HistoryQuery {
    /// `15m`, by the second, or `24h`, by the minute. Default: `15m`.
    range: Option<String>,
    /// The policy; without one, all checks.
    policy: Option<String>,
}

/// Rates over time: columns of equal length, oldest first. A rate is null where nothing was counted.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct History {
    /// Seconds since the epoch.
    times: Vec<u64>,
    /// Allowed checks a second.
    allowed: Vec<Option<f32>>,
    /// Denied checks a second.
    denied: Vec<Option<f32>>,
    /// Checks a second that a shadow policy would have denied.
    shadow_denied: Vec<Option<f32>>,
}

/// The rates of a snapshot.
#[derive(Debug, Serialize, ToSchema)]
pub struct HistoryPoint {
    /// Seconds since the epoch.
    time: u64,
    /// Those of all checks.
    #[serde(flatten)]
    rates: Rates,
}

impl HistoryPoint {
    /// The rates of a snapshot.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        Self { time: unix_ms(snapshot.at) / 1_000, rates: Rates::of(snapshot.rate) }
    }
}

/// The rates of the last 15 minutes or 24 hours.
#[utoipa::path(get, path = "/api/v1/overview/history", params(HistoryQuery), responses((status = 200, body = History)))]
pub async fn history(
    State(app): State<App>,
    Viewer(_): Viewer,
    Parameters(query): Parameters<HistoryQuery>,
) -> Result<Json<History>, Failure> {
    let range = match query.range.as_deref() {
        None | Some("15m") => Range::Minutes15,
        Some("24h") => Range::Hours24,
        Some(other) => {
            return Err(Failure::Invalid(format!("range '{other}' is not one of 15m, 24h")));
        }
    };
    let mut history = History::default();
    for (time, bucket) in app.poller.history(query.policy.as_deref(), range) {
        let rate = bucket.rate();
        history.times.push(time);
        history.allowed.push(rate.map(|rate| rate.allowed));
        history.denied.push(rate.map(|rate| rate.denied));
        history.shadow_denied.push(rate.map(|rate| rate.shadow_denied));
    }
    Ok(Json(history))
}
