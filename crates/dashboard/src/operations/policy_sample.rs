//! The decisions of a policy's new rules on the recorded units of some live keys.

use ratelog_client::Rules;
use serde::Serialize;
use utoipa::ToSchema;

use super::failure::Failure;
use super::{key, key_name, key_search};
use crate::app::App;

/// The keys of a sample.
const SAMPLE: usize = 20;

/// The decisions of rules on the recorded units of some keys.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Sample {
    /// The keys, and the decisions on their units.
    pub keys: Vec<SampledKey>,
    /// The units of all these keys.
    pub units: u64,
    /// The units that the rules would have denied.
    pub denied_units: u64,
    /// Whether older units of a key, which are not counted here, may be in its log.
    pub incomplete: bool,
    /// The keys that the dashboard may not read, or that hold something else.
    pub unreadable: u64,
}

/// A key of a sample.
#[derive(Debug, Serialize, ToSchema)]
pub struct SampledKey {
    /// The key.
    #[serde(skip)]
    pub name: Vec<u8>,
    /// The key, percent-encoded.
    pub key: String,
    /// Its recorded units.
    pub units: u64,
    /// The units that the rules would have denied.
    pub denied_units: u64,
}

/// Applies rules to keys that match a pattern, or to the keys with the most checks.
///
/// # Errors
/// Errors of the servers.
pub async fn what_if(app: &App, rules: &Rules, pattern: Option<&str>) -> Result<Sample, Failure> {
    let keys = match pattern {
        Some(pattern) => key_search::search(app, pattern).await?.keys,
        None => app.poller.snapshot().top_checked.iter().map(|ranked| ranked.key.clone()).collect(),
    };
    let mut sample = Sample::default();
    for name in keys.into_iter().filter(|key| pattern.is_some() || !key_name::is_shortened(key)) {
        let result = match key::what_if(app, &name, rules).await {
            Ok(result) => result,
            // The heaviest keys are those of all databases, and of all patterns.
            Err(Failure::Forbidden(_) | Failure::Rejected(_)) => {
                sample.unreadable += 1;
                continue;
            }
            Err(failure) => return Err(failure),
        };
        if result.units == 0 {
            continue;
        }
        sample.units += result.units;
        sample.denied_units += result.denied_units;
        sample.incomplete |= result.incomplete;
        sample.keys.push(SampledKey {
            key: key_name::encode(&name),
            name,
            units: result.units,
            denied_units: result.denied_units,
        });
        if sample.keys.len() == SAMPLE {
            break;
        }
    }
    Ok(sample)
}
