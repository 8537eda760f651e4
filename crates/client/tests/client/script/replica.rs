//! The script's replication.

use std::fmt::Debug;

use ratelog_client::command::Command;
use ratelog_client::script::{check, mcheck, peek, refund, run};
use ratelog_client::{Check, Checks, Error};
use ratelog_test_support::{Client, Server, wait_until_in_step};

use super::fake_clock::{FakeClock, START};
use super::log::name;
use super::{connect, cost, rules, server};

const HOUR: u64 = 3_600_000;

fn with_replica() -> (Server, Server) {
    let (primary, replica) = (server(), server());
    replica.follow(&primary);
    (primary, replica)
}

fn digests(server: &Server) -> Vec<String> {
    let names = ["a", "b", "c"].map(name);
    server.connect().value_digests(&names.each_ref().map(String::as_str))
}

#[tokio::test]
async fn a_replica_holds_the_same_set_answers_peeks_and_rejects_checks() {
    let (primary, replica) = with_replica();
    let mut db = connect(&primary).await;
    let (few, many) = (rules([(5, HOUR), (3, HOUR / 60)]), rules([(90, HOUR)]));
    for key in ["a", "b", "a", "a", "a"] {
        let _ = run(&mut db, &check(key, &few).unwrap()).await.unwrap();
    }
    let all = Checks::new(cost(2), "a", many.first()).and("c", many.first());
    let _ = run(&mut db, &mcheck(&all).unwrap()).await.unwrap();
    run(&mut db, &refund("b", cost(1))).await.unwrap();
    wait_until_in_step(&primary, &replica);
    assert_eq!(digests(&replica), digests(&primary));

    let mut reader = connect(&replica).await;
    let peeked = run(&mut reader, &peek("a", &many).unwrap()).await.unwrap();
    assert!(peeked.allowed() && peeked.remaining() == 85, "{peeked:?}");
    let peeked = run(&mut reader, &peek("a", &few).unwrap()).await.unwrap();
    assert!(!peeked.allowed() && peeked.retry_after().is_some(), "{peeked:?}");
    match run(&mut reader, &check("a", &many).unwrap()).await {
        Err(Error::Redis(error)) => assert_eq!(error.code(), Some("READONLY")),
        other => panic!("{other:?}"),
    }
    assert_eq!(digests(&replica), digests(&primary));
}

#[test]
fn a_denied_check_and_a_peek_replicate_nothing() {
    let (primary, _replica) = with_replica();
    let mut script = FakeClock::on(&primary);
    let (one, two) = (rules([(1, HOUR)]), rules([(2, HOUR)]));
    run_at(&mut script, 0, &check("a", &one).unwrap());
    let state = |db: &mut Client| {
        (db.info("master_repl_offset"), db.info("rdb_changes_since_last_save"), db.digest())
    };
    let before = state(&mut script.db);
    run_at(&mut script, 1, &check("a", &one).unwrap());
    run_at(&mut script, 1, &check("new", Check::from(&one).cost(cost(2))).unwrap());
    run_at(&mut script, 1, &peek("a", &two).unwrap());
    run_at(&mut script, -1, &peek("a", &two).unwrap());
    run_at(&mut script, 1, &refund("new", cost(1)));
    let all = Checks::new(cost(1), "new", one.first()).and("a", one.first());
    run_at(&mut script, 1, &mcheck(&all).unwrap());
    assert_eq!(state(&mut script.db), before);
    // Expired units replicate nothing either.
    let later = i64::try_from(2 * HOUR).unwrap();
    run_at(&mut script, later, &check("a", Check::from(&one).cost(cost(2))).unwrap());
    assert_eq!(state(&mut script.db), before);
    run_at(&mut script, 1, &check("a", &two).unwrap());
    assert_ne!(state(&mut script.db).0, before.0);
}

#[test]
fn a_clock_step_replicates_one_score_however_long_the_log() {
    let (primary, replica) = with_replica();
    let mut script = FakeClock::on(&primary);
    let rules = rules([(500, HOUR)]);
    for at in 0..500 {
        run_at(&mut script, at, &check("a", &rules).unwrap());
    }
    let offset = |db: &mut Client| db.info_number("master_repl_offset");
    let before = offset(&mut script.db);
    let decision = script.run(START - 9_000, &check("a", &rules).unwrap());
    assert_eq!((decision.allowed(), decision.remaining()), (false, 0));
    let bytes = offset(&mut script.db) - before;
    assert!((1..400).contains(&bytes), "{bytes}");
    wait_until_in_step(&primary, &replica);
    assert_eq!(digests(&replica), digests(&primary));
}

#[track_caller]
fn run_at<T: Debug>(script: &mut FakeClock, at: i64, command: &Command<T>) {
    script.run(START + at, command);
}
