use std::collections::BTreeMap;
use std::sync::Arc;

use ratelog_client::{Policy, Window};

/// The policies of a node, by name.
pub type PolicyMap = Arc<BTreeMap<String, Policy>>;

/// A window in seconds, as short as it can be written.
#[must_use]
pub fn seconds(window: Window) -> String {
    let millis = window.millis();
    let text = format!("{}.{:03}", millis / 1000, millis % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
