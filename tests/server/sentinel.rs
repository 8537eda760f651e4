//! Sentinels promote a replica, and the clients that ask them go on with the same limits.

use crate::support::{
    Checks, Client, Sentinels, Server, Stop, Takeover, assert_same_dataset, until,
};

const KEYS: [&str; 3] = ["user:1", "user:2", "user:3"];
const RULES: &str = "1000 1h";

#[test]
fn a_primary_that_sentinels_replace_costs_no_acknowledged_unit_and_brings_none_back() {
    let mut primary = Server::with(&["appendonly yes"]);
    let replica = primary.start_replica(&["appendonly yes"]);
    let sentinels = Sentinels::watch(&primary, 1);
    assert_eq!(sentinels.primary_port(), primary.port());

    let callers = (0..3).map(|_| primary.connect());
    let checks = Checks::start_acknowledged(callers, &KEYS, RULES);
    checks.advance(1500);
    primary.stop(Stop::Kill);
    let tallies = checks.until_refused();

    let port = sentinels.primary_after(&primary);
    assert_eq!(port, replica.port());
    let mut promoted = Client::at(port);
    Takeover::by(&mut promoted, &KEYS, RULES).assert_within_bound(&tallies);

    // The old primary comes back as one, with units in its file that nobody else has.
    primary.start_again();
    until("the Sentinels have it follow the new one", || {
        // They end its connections when they do.
        primary
            .connect()
            .attempt::<String>("INFO replication")
            .is_ok_and(|info| info.contains("role:slave") && info.contains("master_link_status:up"))
    });
    assert_same_dataset(&replica, &primary);
    assert_eq!(sentinels.primary_port(), replica.port());
    for key in KEYS {
        assert!(!primary.connect().decide(&format!("RL.PEEK {key} {RULES}")).allowed);
    }
}
