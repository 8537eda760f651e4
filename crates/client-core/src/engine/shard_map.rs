use std::ops::RangeInclusive;
use std::sync::Arc;

use super::hash_slot::{SLOT_COUNT, hash_slot};

/// The index of no shard: a cluster has at most as many shards as slots.
const NO_OWNER: u16 = u16::MAX;

/// The shards of a cluster: the node that owns each hash slot, and a state for each such node, such as its circuit
/// breaker and its connection.
///
/// A node is named by its address, `host:port`.
///
/// ```
/// use ratelog_client_core::engine::ShardMap;
///
/// let ranges = [(0..=8191, "192.0.2.1:6379"), (8192..=16383, "192.0.2.2:6379")];
/// let shards = ShardMap::from_ranges(ranges, |address| format!("the state of {address}"));
/// // `CLUSTER KEYSLOT foo` is 12182.
/// assert_eq!(shards.of_key(b"foo").unwrap(), "the state of 192.0.2.2:6379");
/// ```
#[derive(Clone, Debug)]
pub struct ShardMap<S> {
    /// The index of the shard that owns each slot.
    owners: Box<[u16]>,
    shards: Vec<(Arc<str>, S)>,
}

impl<S> Default for ShardMap<S> {
    fn default() -> Self {
        Self { owners: vec![NO_OWNER; usize::from(SLOT_COUNT)].into(), shards: Vec::new() }
    }
}

impl<S> ShardMap<S> {
    /// The shards that own these ranges of slots, as `CLUSTER SLOTS` lists them. `state` is called once for each node;
    /// reuse the state of a node that the earlier map has.
    ///
    /// Slots over 16,383 are ignored. If ranges overlap, the last one counts.
    pub fn from_ranges<A: AsRef<str>>(
        ranges: impl IntoIterator<Item = (RangeInclusive<u16>, A)>,
        mut state: impl FnMut(&str) -> S,
    ) -> Self {
        let mut map = Self::default();
        for (slots, address) in ranges {
            let address = address.as_ref();
            let index = map.index(address).unwrap_or_else(|| {
                map.shards.push((address.into(), state(address)));
                map.shards.len() - 1
            });
            let owner = u16::try_from(index).unwrap_or(NO_OWNER);
            for slot in slots {
                map.assign(slot, owner);
            }
        }
        map
    }

    /// The state of the shard that owns the key's slot; `None` if no node does.
    #[must_use]
    pub fn of_key(&self, key: &[u8]) -> Option<&S> {
        self.of_slot(hash_slot(key))
    }

    /// The state of the shard that owns a slot; `None` if no node does.
    #[must_use]
    pub fn of_slot(&self, slot: u16) -> Option<&S> {
        let owner = *self.owners.get(usize::from(slot))?;
        self.shards.get(usize::from(owner)).map(|(_, state)| state)
    }

    /// The slots that a node owns, in ascending order.
    #[must_use]
    pub fn slots_of(&self, address: &str) -> Vec<u16> {
        let index = self.index(address).and_then(|index| u16::try_from(index).ok());
        let slots = (0..SLOT_COUNT).zip(&self.owners);
        slots.filter(|(_, owner)| Some(**owner) == index).map(|(slot, _)| slot).collect()
    }

    /// The state of a node.
    #[must_use]
    pub fn get(&self, address: &str) -> Option<&S> {
        self.index(address).and_then(|index| self.shards.get(index)).map(|(_, state)| state)
    }

    /// The state of a node, which `state` creates if the map does not have it. The node then owns no slot yet.
    pub fn get_or_insert(&mut self, address: &str, state: impl FnOnce(&str) -> S) -> S
    where
        S: Clone,
    {
        if let Some(known) = self.get(address) {
            return known.clone();
        }
        let created = state(address);
        self.shards.push((address.into(), created.clone()));
        created
    }

    /// Makes a node that the map has the owner of a slot, as a `MOVED` error says. Returns whether it was another's.
    pub fn set_owner(&mut self, slot: u16, address: &str) -> bool {
        let Some(index) = self.index(address).and_then(|index| u16::try_from(index).ok()) else {
            return false;
        };
        self.assign(slot, index)
    }

    /// The addresses and states of all nodes, in the order in which they were added.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &S)> {
        self.shards.iter().map(|(address, state)| (&**address, state))
    }

    /// Whether every slot has the same owner in both maps.
    #[must_use]
    pub fn has_same_owners(&self, other: &Self) -> bool {
        let mut pairs = self.owners.iter().zip(&other.owners);
        pairs.all(|(own, others)| self.address(*own) == other.address(*others))
    }

    fn assign(&mut self, slot: u16, owner: u16) -> bool {
        let Some(current) = self.owners.get_mut(usize::from(slot)) else { return false };
        std::mem::replace(current, owner) != owner
    }

    fn index(&self, address: &str) -> Option<usize> {
        self.shards.iter().position(|(known, _)| **known == *address)
    }

    fn address(&self, owner: u16) -> Option<&str> {
        self.shards.get(usize::from(owner)).map(|(address, _)| &**address)
    }
}

#[cfg(test)]
mod tests {
    use super::ShardMap;

    const KEYS: [&str; 4] = ["foo", "bar", "a{foo}b", ""];

    /// Two nodes with half of the slots each. `CLUSTER KEYSLOT` of "foo" is 12182, and of "bar" 5061.
    fn two() -> ShardMap<u32> {
        let mut next = 0;
        ShardMap::from_ranges(
            [(0..=5_000, "a:1"), (5_001..=8_191, "a:1"), (8_192..=16_383, "b:2")],
            |_| {
                next += 1;
                next
            },
        )
    }

    #[test]
    fn a_key_belongs_to_the_owner_of_its_slot() {
        assert_eq!(KEYS.map(|key| two().of_key(key.as_bytes()).copied()), [2, 1, 2, 1].map(Some));
        assert_eq!(two().iter().collect::<Vec<_>>(), [("a:1", &1), ("b:2", &2)]);
        assert_eq!((two().get("b:2"), two().get("c:3")), (Some(&2), None));
    }

    #[test]
    fn the_slots_of_a_node_are_known() {
        let mut map = two();
        assert_eq!(map.slots_of("a:1"), (0..=8_191).collect::<Vec<_>>());
        assert!(map.set_owner(16_383, "a:1"));
        assert_eq!(map.slots_of("b:2"), (8_192..=16_382).collect::<Vec<_>>());
        assert_eq!([0, 16_382, 16_383].map(|slot| map.of_slot(slot).copied()), [1, 2, 1].map(Some));
        assert_eq!((map.slots_of("c:3"), map.of_slot(16_384)), (vec![], None));
    }

    #[test]
    fn slots_without_an_owner_have_no_shard() {
        assert_eq!(ShardMap::<u32>::default().of_key(b"foo"), None);
        assert!(ShardMap::<u32>::default().slots_of("a:1").is_empty());
        let map = ShardMap::from_ranges([(0..=100, "a:1"), (16_000..=u16::MAX, "b:2")], |_| ());
        assert_eq!((map.of_key(b"foo"), map.of_key(b"bar")), (None, None));
    }

    #[test]
    fn a_slot_moves_alone() {
        let mut map = two();
        assert!(!map.set_owner(12_182, "c:3"), "an unknown node");
        assert_eq!(map.get_or_insert("c:3", |_| 3), 3);
        assert_eq!(map.get_or_insert("c:3", |_| unreachable!()), 3);
        assert!(map.has_same_owners(&two()));
        assert!(map.set_owner(12_182, "c:3"));
        assert!(!map.set_owner(12_182, "c:3") && !map.set_owner(16_384, "c:3"));
        assert_eq!(KEYS.map(|key| map.of_key(key.as_bytes()).copied()), [3, 1, 3, 1].map(Some));
        assert!(!map.has_same_owners(&two()));
    }

    #[test]
    fn the_order_of_nodes_does_not_matter() {
        let ranges = [(8_192..=16_383, "b:2"), (0..=8_191, "a:1")];
        assert!(ShardMap::from_ranges(ranges, |_| 7).has_same_owners(&two()));
    }
}
