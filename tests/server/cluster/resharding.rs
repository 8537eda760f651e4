//! Slots that move between nodes, idle and under load. No unit and no override is lost or duplicated.

use crate::support::{Checks, Client, Cluster, ClusterClient, Server, ServerVersion, until};

/// Keys that are not written while they move. They must arrive unchanged.
const IDLE: [&str; 5] = ["{s}:log", "{s}:one", "{s}:wide", "{s}:bare", "{s}:barred"];
/// Keys that are checked all the time and never denied.
const BUSY: [&str; 4] = ["{s}:a", "{s}:b", "{s}:c", "{s}:d"];
const ROOMY: &str = "1000000 1h";
/// Keys whose limit is reached during the move. The first limit comes from the rules, the second from an
/// override.
const TIGHT: [&str; 2] = ["{s}:tight", "{s}:held"];
const TIGHT_RULES: &str = "500 1h";
const OVERRIDE_LIMIT: i64 = 300;
/// Keys whose checks an override decides. Nothing is recorded at either key.
const FREE: &str = "{s}:free";
const SHUT: &str = "{s}:shut";

const OVERRIDES: [(&str, &str); 7] = [
    ("{s}:one", "ALLOW"),
    ("{s}:wide", "DENY EX 7200"),
    // The next two keys have no units.
    ("{s}:bare", "LIMIT 5 1m 1000 366d EX 7200"),
    ("{s}:barred", "DENY"),
    ("{s}:held", "LIMIT 300 1h"),
    (FREE, "ALLOW EX 7200"),
    (SHUT, "DENY EX 7200"),
];
const LIST: [&str; 7] = [
    "0 {s}:bare limit 5 60000 1000 31622400000",
    "0 {s}:barred deny",
    "0 {s}:free allow",
    "0 {s}:held limit 300 3600000",
    "0 {s}:one allow",
    "0 {s}:shut deny",
    "0 {s}:wide deny",
];

type State = Vec<(String, Vec<u8>, i64)>;

/// Starts two primaries with a replica each, fills the idle keys and sets the overrides. Returns the cluster
/// and the index of the slot's primary.
fn two_shards() -> (Cluster, usize) {
    let cluster = Cluster::start(2, 1);
    let place = cluster.primary_of("{s}");
    let mut db = cluster[place].connect();
    let now = db.now_ms();
    let hits: Vec<_> = (0..500).map(|step| (now - 500_000 + 999 * step, 1 + step % 3)).collect();
    db.record("{s}:log", 3_600_000, &hits);
    db.record("{s}:one", 3_600_000, &[(now, 1)]);
    let sparse: Vec<_> = (0..50).map(|step| (now - 80_000_000 + 1_600_000 * step, 900)).collect();
    db.record("{s}:wide", 86_400_000, &sparse);
    for (key, key_override) in OVERRIDES {
        db.run::<()>(&format!("RL.OVERRIDE SET {key} {key_override}"));
    }
    (cluster, place)
}

/// Asserts that only the node that has the slot lists the overrides.
#[track_caller]
fn assert_overrides_at(cluster: &Cluster, place: usize) {
    assert_eq!(cluster[place].connect().overrides(), LIST);
    assert_eq!(cluster[1 - place].connect().overrides(), Vec::<String>::new());
}

/// Returns the digests, dumps and expiries of the idle keys.
fn state(db: &mut Client) -> State {
    let digests = db.value_digests(&IDLE);
    IDLE.iter()
        .zip(digests)
        .map(|(key, digest)| (digest, db.run(["DUMP", key]), db.run(["PEXPIRETIME", key])))
        .collect()
}

/// Callers that know one node each. They keep the slot busy while it moves.
struct Callers {
    roomy: Checks,
    tight: Checks,
}

impl Callers {
    fn start(cluster: &Cluster) -> Self {
        let callers = |count| (0..count).map(|place| ClusterClient::by(&cluster[place]));
        Self {
            roomy: Checks::start(callers(4), &BUSY, ROOMY),
            tight: Checks::start(callers(2), &[TIGHT[0], TIGHT[1], FREE, SHUT], TIGHT_RULES),
        }
    }

    #[track_caller]
    fn advance(&self) {
        self.roomy.advance(300);
        self.tight.advance(400);
    }

    /// Asserts that the logs contain exactly the allowed units.
    #[track_caller]
    fn stop_and_compare(self, cluster: &Cluster) {
        let tallies = self.tight.stop();
        let mut db = cluster[cluster.primary_of("{s}")].connect();
        for (key, limit) in TIGHT.into_iter().zip([500, OVERRIDE_LIMIT]) {
            assert_eq!((db.units(key), tallies[key].allowed), (limit, limit), "{tallies:?}");
        }
        let (free, shut) = (tallies[FREE], tallies[SHUT]);
        assert!(free.allowed > 500 && shut.denied > 500, "{tallies:?}");
        assert_eq!((free.denied, db.units(FREE)), (0, 0), "{tallies:?}");
        assert_eq!((shut.allowed, db.units(SHUT)), (0, 0), "{tallies:?}");
        for (key, tally) in self.roomy.stop() {
            assert_eq!(db.units(&key), tally.allowed, "{key}");
            assert_eq!((tally.denied, tally.unanswered), (0, 0), "{key}");
        }
        cluster.assert_one_truth();
    }
}

/// Moves the slot of `{s}` key by key, as resharding tools do. Calls `between` after half of the keys have
/// moved.
fn migrate(cluster: &Cluster, from: usize, to: usize, between: impl Fn()) {
    let (slot, port) = (cluster.slot_of("{s}"), cluster[to].port());
    let mut source_db = cluster[from].connect();
    cluster.migrate("{s}", to, |key, place, count| {
        if place == count / 2 {
            between();
        }
        let error = source_db.error(&format!("RL.CHECK {key} {ROOMY}"));
        assert_eq!(error, format!("ASK {slot} 127.0.0.1:{port}"));
        if place + 1 == count {
            between();
        }
    });
}

#[test]
fn a_slot_that_migrates_key_by_key_under_load_loses_no_unit_and_no_override() {
    let (cluster, here) = two_shards();
    let there = 1 - here;
    let before = state(&mut cluster[here].connect());
    let callers = Callers::start(&cluster);
    callers.advance();
    assert_overrides_at(&cluster, here);
    migrate(&cluster, here, there, || callers.advance());
    assert_overrides_at(&cluster, there);
    callers.advance();
    assert_same_logs(&state(&mut cluster[there].connect()), &before);
    // Move the slot back, over the state that the node still has for it.
    migrate(&cluster, there, here, || callers.advance());
    assert_overrides_at(&cluster, here);
    callers.advance();
    assert_same_logs(&state(&mut cluster[here].connect()), &before);
    callers.stop_and_compare(&cluster);
}

/// Asserts that the logs are the same. `MIGRATE` sends the remaining time of a key, so the expiry may move a
/// little.
#[track_caller]
fn assert_same_logs(arrived: &State, before: &State) {
    for ((digest, dump, expires_at), (old_digest, old_dump, old_expires_at)) in
        arrived.iter().zip(before)
    {
        assert_eq!((digest, dump), (old_digest, old_dump));
        assert!((expires_at - old_expires_at).abs() < 1000);
    }
}

#[test]
fn a_slot_that_migrates_atomically_under_load_loses_no_unit_and_no_override() {
    if !matches!(Server::start().server_version(), ServerVersion::Valkey { major: 9.., .. }) {
        println!("skipped: this server has no atomic slot migration");
        return;
    }
    let (cluster, here) = two_shards();
    let before = state(&mut cluster[here].connect());
    let slot = cluster.slot_of("{s}");
    let callers = Callers::start(&cluster);
    let mut from = here;
    for _ in 0..3 {
        let to = 1 - from;
        callers.advance();
        let target = Cluster::id_of(&cluster[to]);
        cluster[from]
            .connect()
            .run::<()>(&format!("CLUSTER MIGRATESLOTS SLOTSRANGE {slot} {slot} NODE {target}"));
        until("the slot has moved", || cluster.primary_of("{s}") == to);
        assert_overrides_at(&cluster, to);
        callers.advance();
        assert_eq!(state(&mut cluster[to].connect()), before);
        from = to;
    }
    callers.stop_and_compare(&cluster);
}
