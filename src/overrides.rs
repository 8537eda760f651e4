use std::collections::BTreeSet;

/// A key of this node: its database and its name.
pub type Place = (i32, Box<[u8]>);

/// Where this node's overrides may be: every key that has one, and perhaps some that had one.
///
/// Values do not know their keys, and the server does not tell of all that happens to a key at once; so a
/// listing looks at each place, and what it no longer finds there is removed.
#[derive(Debug, Default)]
pub struct OverrideIndex {
    places: BTreeSet<Place>,
}

impl OverrideIndex {
    /// Adds a key that has an override.
    pub fn insert(&mut self, place: Place) {
        self.places.insert(place);
    }

    /// Removes a key that has none.
    pub fn remove(&mut self, place: &Place) {
        self.places.remove(place);
    }

    /// Removes the keys of a database; of all where it is `None`.
    pub fn flush(&mut self, database: Option<i32>) {
        self.places.retain(|place| database.is_some_and(|flushed| flushed != place.0));
    }

    /// Makes the keys of one database those of the other.
    pub fn swap(&mut self, one: i32, other: i32) {
        self.places = std::mem::take(&mut self.places)
            .into_iter()
            .map(|(database, name)| match database {
                _ if database == one => (other, name),
                _ if database == other => (one, name),
                _ => (database, name),
            })
            .collect();
    }

    /// How many places there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// The places, by database and name.
    pub fn places(&self) -> Vec<Place> {
        self.places.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::OverrideIndex;

    fn index(places: &[(i32, &str)]) -> OverrideIndex {
        let mut index = OverrideIndex::default();
        for (database, name) in places {
            index.insert((*database, name.as_bytes().into()));
        }
        index
    }

    fn held(index: &OverrideIndex) -> Vec<(i32, String)> {
        let text = |name: Box<[u8]>| String::from_utf8(name.into()).unwrap();
        index.places().into_iter().map(|(database, name)| (database, text(name))).collect()
    }

    #[test]
    fn follows_whole_databases() {
        let places = [(0, "a"), (0, "b"), (1, "a"), (2, "c")];
        let mut places = index(&places);
        places.swap(0, 1);
        let own = |list: &[(i32, &str)]| {
            list.iter().map(|(database, name)| (*database, (*name).to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(held(&places), own(&[(0, "a"), (1, "a"), (1, "b"), (2, "c")]));
        places.flush(Some(1));
        assert_eq!(held(&places), own(&[(0, "a"), (2, "c")]));
        places.remove(&(2, b"c"[..].into()));
        assert_eq!(places.len(), 1);
        places.flush(None);
        assert_eq!(places.len(), 0);
    }
}
