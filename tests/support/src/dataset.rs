//! Whole datasets, compared bit by bit between two servers.

use std::collections::BTreeMap;
use std::ops::Range;

use redis::Value;

use super::wait::until;
use super::{Client, Server, policies};

/// A key's serialised value and the instant at which it expires (-1 for never).
type Entry = (Vec<u8>, i64);

/// The databases that the tests use.
pub const DATABASES: u8 = 2;

/// Returns every key of the first databases. The client ends at database 0.
pub fn dataset(client: &mut Client) -> BTreeMap<(u8, Vec<u8>), Entry> {
    let mut entries = BTreeMap::new();
    for database in databases(client).rev() {
        client.run::<()>(&format!("SELECT {database}"));
        let keys: Vec<Vec<u8>> = client.run("KEYS *");
        for key in keys {
            let expires_at: i64 = client.run([b"PEXPIRETIME", &key[..]]);
            // A key may expire between `KEYS` and `DUMP`.
            if let Value::BulkString(dump) = client.run([b"DUMP", &key[..]]) {
                entries.insert((database, key), (dump, expires_at));
            }
        }
    }
    entries
}

/// Returns the databases of the tests. A cluster has only one.
fn databases(client: &mut Client) -> Range<u8> {
    0..if client.read_replica() { 1 } else { DATABASES }
}

/// Waits until the replica has received and applied everything that the primary sent.
pub fn wait_until_in_step(primary: &Server, replica: &Server) {
    let (mut primary, mut replica) = (primary.connect(), replica.connect());
    until("the replica is in step with its primary", || {
        let sent = primary.info("master_repl_offset");
        replica.info("master_link_status") == "up"
            && replica.info("slave_repl_offset") == sent
            && primary.info("master_repl_offset") == sent
    });
}

/// Waits for the replica, then compares digests, dumps, expiries, the list of overrides and the policies.
#[track_caller]
pub fn assert_same_dataset(primary: &Server, replica: &Server) {
    wait_until_in_step(primary, replica);
    let (mut ours, mut theirs) = (primary.connect(), replica.connect());
    let (own, other) = (dataset(&mut ours), dataset(&mut theirs));
    for (place, entry) in &own {
        let name = place.1.escape_ascii();
        let copy = other.get(place);
        assert_eq!(Some(entry), copy, "the replica's {name} differs");
    }
    assert_eq!(own.len(), other.len(), "the replica has additional keys");
    assert_eq!(ours.digest(), theirs.digest(), "the digests differ");
    assert_same_overrides(&mut ours, &mut theirs);
    assert_eq!(policies(&mut ours), policies(&mut theirs), "the policies differ");
}

/// Compares the lists of overrides. An override may end between the reads, so the replica must list no more
/// overrides than its primary did before, and no fewer than its primary does after.
#[track_caller]
fn assert_same_overrides(primary: &mut Client, replica: &mut Client) {
    let before = primary.overrides();
    let copy = replica.overrides();
    let after = primary.overrides();
    assert!(
        copy.iter().all(|line| before.contains(line)),
        "the replica lists {copy:?} of {before:?}"
    );
    assert!(
        after.iter().all(|line| copy.contains(line)),
        "the replica lists {copy:?}, not {after:?}"
    );
}
