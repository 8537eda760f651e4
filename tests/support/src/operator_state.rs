//! The state that operators set on a node: its policies, and the overrides with their ends.

use super::{Server, policies};

#[derive(Debug, PartialEq, Eq)]
pub struct OperatorState {
    /// The result of [`policies()`].
    pub policies: (String, String),
    /// Lines such as `0 k deny until -1` (see [`super::Client::overrides`]).
    pub overrides: Vec<String>,
}

impl OperatorState {
    /// Returns the state of a primary or a replica with one database. No override may end soon.
    #[track_caller]
    pub fn of(node: &Server) -> Self {
        let mut db = node.connect();
        db.read_replica();
        let listed = db.listed_overrides();
        let overrides = listed.iter().map(|listed| {
            let key = str::from_utf8(&listed.key).expect("the key is text");
            format!("{listed} until {}", db.override_end(key))
        });
        Self { overrides: overrides.collect(), policies: policies(&mut db) }
    }
}
