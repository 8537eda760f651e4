//! Sentinels promote a replica, and their clients continue with the same limits.

use crate::support::{
    Checks, Client, Failover, OperatorState, Sentinels, Server, Stop, assert_same_dataset, until,
};

/// Keys under a policy of 1000 an hour. The last one has an override of 600 an hour.
const KEYS: [&str; 4] = ["user:1", "user:2", "user:3", "held"];
const LIMITS: [i64; 4] = [1000, 1000, 1000, 600];
const RULES: &str = "POLICY api";

#[test]
fn a_primary_replaced_by_sentinels_loses_no_acknowledged_unit_and_restores_no_lost_one() {
    let mut primary = Server::with(&["appendonly yes"]);
    let replica = primary.start_replica(&["appendonly yes"]);
    let sentinels = Sentinels::watch(&primary, 1);
    assert_eq!(sentinels.primary_port(), primary.port());

    let mut db = primary.connect();
    for command in [
        "RL.POLICY SET api 1000 1h",
        "RL.POLICY SET night SHADOW 10 1m",
        "RL.OVERRIDE SET held LIMIT 600 1h",
        "RL.OVERRIDE SET shut DENY EX 7200",
    ] {
        db.run::<()>(command);
    }
    let operator_state = OperatorState::of(&primary);
    assert_eq!(operator_state.overrides.len(), 2);
    let callers = (0..3).map(|_| primary.connect());
    let checks = Checks::start_acknowledged(callers, &KEYS, RULES);
    checks.advance(2000);
    primary.stop(Stop::Kill);
    let tallies = checks.until_refused();

    let port = sentinels.primary_after(&primary);
    assert_eq!(port, replica.port());
    assert_eq!(OperatorState::of(&replica), operator_state);
    let mut promoted = Client::at(port);
    Failover::by(&mut promoted, &KEYS, RULES).assert_within_bound(&tallies);
    assert!(!promoted.decide("RL.CHECK shut POLICY api").allowed);
    for command in ["RL.POLICY SET day 5 1m", "RL.POLICY DEL night", "RL.OVERRIDE DEL shut"] {
        promoted.run::<()>(command);
    }
    let operator_state = OperatorState::of(&replica);
    assert_eq!(operator_state.overrides.len(), 1);

    // The old primary restarts as a primary. Its file has units, policies and overrides that no other node has.
    primary.start_again();
    until("the Sentinels make the old primary follow the new one", || {
        // The Sentinels close its connections when they do so.
        primary
            .connect()
            .attempt::<String>("INFO replication")
            .is_ok_and(|info| info.contains("role:slave") && info.contains("master_link_status:up"))
    });
    assert_same_dataset(&replica, &primary);
    assert_eq!(sentinels.primary_port(), replica.port());
    assert_eq!(OperatorState::of(&primary), operator_state);
    for (key, limit) in KEYS.into_iter().zip(LIMITS) {
        let decision = primary.connect().decide(&format!("RL.PEEK {key} {RULES}"));
        assert_eq!((decision.allowed, decision.limit), (false, limit), "{key}");
    }
}
