use std::collections::BTreeSet;

/// The location of a key on this node: its database and its name.
pub type KeyLocation = (i32, Box<[u8]>);

/// The keys of this node that may have an override: every key that has one, and possibly keys that had one.
///
/// A value does not know its key, and the server does not report every event of a key at once. So a listing looks up
/// each location and removes those without an override. A stale entry costs one lookup; no override is ever missing.
#[derive(Debug, Default)]
pub struct OverrideIndex {
    locations: BTreeSet<KeyLocation>,
}

impl OverrideIndex {
    /// Adds a key that has an override.
    pub fn insert(&mut self, location: KeyLocation) {
        self.locations.insert(location);
    }

    /// Removes a key.
    pub fn remove(&mut self, location: &KeyLocation) {
        self.locations.remove(location);
    }

    /// Removes the keys of one database, or of all databases if `database` is `None`.
    pub fn flush(&mut self, database: Option<i32>) {
        self.locations.retain(|location| database.is_some_and(|flushed| flushed != location.0));
    }

    /// Swaps the keys of two databases.
    pub fn swap(&mut self, one: i32, other: i32) {
        self.locations = std::mem::take(&mut self.locations)
            .into_iter()
            .map(|(database, name)| match database {
                _ if database == one => (other, name),
                _ if database == other => (one, name),
                _ => (database, name),
            })
            .collect();
    }

    /// Returns the number of locations.
    pub fn len(&self) -> usize {
        self.locations.len()
    }

    /// Returns the locations, ordered by database and name.
    pub fn locations(&self) -> Vec<KeyLocation> {
        self.locations.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::OverrideIndex;

    fn index(locations: &[(i32, &str)]) -> OverrideIndex {
        let mut index = OverrideIndex::default();
        for (database, name) in locations {
            index.insert((*database, name.as_bytes().into()));
        }
        index
    }

    fn found(index: &OverrideIndex) -> Vec<(i32, String)> {
        let text = |name: Box<[u8]>| String::from_utf8(name.into()).unwrap();
        index.locations().into_iter().map(|(database, name)| (database, text(name))).collect()
    }

    #[test]
    fn a_swap_and_a_flush_apply_to_whole_databases() {
        let locations = [(0, "a"), (0, "b"), (1, "a"), (2, "c")];
        let mut index = index(&locations);
        index.swap(0, 1);
        let own = |list: &[(i32, &str)]| {
            list.iter().map(|(database, name)| (*database, (*name).to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(found(&index), own(&[(0, "a"), (1, "a"), (1, "b"), (2, "c")]));
        index.flush(Some(1));
        assert_eq!(found(&index), own(&[(0, "a"), (2, "c")]));
        index.remove(&(2, b"c"[..].into()));
        assert_eq!(index.len(), 1);
        index.flush(None);
        assert_eq!(index.len(), 0);
    }
}
