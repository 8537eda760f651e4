//! The outages of shards whose slots other nodes took over.

use std::sync::{Arc, Mutex, PoisonError};

use ratelog_client_core::engine::ShardMap;

use super::remote::Remote;

/// The lost shards whose slots are not served yet by the nodes that took them over, each with its slots.
#[derive(Default)]
pub(super) struct Failovers(Mutex<Vec<(Arc<Remote>, Vec<u16>)>>);

impl Failovers {
    /// Adds a shard that owns no slots any more, and the slots that it had. Ignores it if its outage has ended.
    pub(super) fn add(&self, shard: &Arc<Remote>, slots: Vec<u16>) {
        if shard.leave() {
            let mut lost = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            lost.push((Arc::clone(shard), slots));
        }
    }

    /// Removes the shards whose outage has ended: available nodes own all of their slots.
    pub(super) fn take_ended(&self, shards: &ShardMap<Arc<Remote>>) -> Vec<Arc<Remote>> {
        let is_served =
            |slot: &u16| shards.of_slot(*slot).is_some_and(|owner| owner.is_available());
        let mut lost = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = lost.extract_if(.., |(_, slots)| slots.iter().all(is_served));
        ended.map(|(shard, _)| shard).collect()
    }
}
