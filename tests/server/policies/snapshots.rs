//! Policies in snapshots. They are saved beside the keys and rejected if they are corrupt.

use std::path::PathBuf;

use crate::support::{Client, Module, Server, Stop, policies, set_policies, until};

/// Settings of a server that neither compresses nor checksums its snapshot, so that a test can corrupt it.
const PLAIN: [&str; 2] = ["rdbcompression no", "rdbchecksum no"];

fn snapshot(server: &Server) -> PathBuf {
    server.path("dump.rdb")
}

#[test]
fn policies_come_back_from_a_snapshot() {
    let mut server = Server::start();
    let mut db = server.connect();
    set_policies(&mut db, 1);
    let before = policies(&mut db);
    for _ in 0..2 {
        db.run::<()>("DEBUG RELOAD");
        assert_eq!(policies(&mut db), before);
    }
    server.restart(Stop::Save);
    let mut db = server.connect();
    assert_eq!(policies(&mut db), before);
    for _ in 0..9 {
        assert!(db.decide("RL.CHECK k POLICY of:1").allowed);
    }
    assert!(!db.decide("RL.CHECK k POLICY of:1").allowed);
}

#[test]
fn a_background_snapshot_has_the_policies_at_its_start() {
    let mut server = Server::start();
    let mut db = server.connect();
    set_policies(&mut db, 1);
    let before = policies(&mut db);
    db.run::<()>("BGSAVE");
    set_policies(&mut db, 2);
    db.run::<i64>("RL.POLICY DEL trial");
    until("the snapshot is written", || db.info("rdb_bgsave_in_progress") == "0");
    server.restart(Stop::Kill);
    assert_eq!(policies(&mut server.connect()), before);
}

#[test]
fn deleted_policies_do_not_come_back() {
    let mut server = Server::start();
    let mut db = server.connect();
    set_policies(&mut db, 1);
    db.run::<()>("SAVE");
    for name in db.run::<Vec<String>>("RL.POLICY LIST") {
        db.run::<i64>(["RL.POLICY", "DEL", &name]);
    }
    server.restart(Stop::Save);
    assert_eq!(policies(&mut server.connect()).0, r#"{"policies":[]}"#);
}

#[test]
fn loading_a_snapshot_without_policies_removes_all() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("SAVE");
    set_policies(&mut db, 1);
    db.run::<()>("DEBUG RELOAD NOSAVE");
    assert_eq!(policies(&mut db).0, r#"{"policies":[]}"#);
}

#[test]
fn changes_of_policies_count_as_changes_for_save_points() {
    let server = Server::start();
    let mut db = server.connect();
    let changes = |db: &mut Client| db.info_number("rdb_changes_since_last_save");
    db.run::<()>("RL.POLICY SET p 5 1h");
    assert_eq!(changes(&mut db), 1);
    db.run::<()>("RL.POLICY SET p 6 1h");
    assert_eq!(changes(&mut db), 2);
    db.run::<i64>("RL.POLICY DEL nobody");
    assert_eq!(changes(&mut db), 2);
    db.run::<i64>("RL.POLICY DEL p");
    db.run::<()>(r#"RL.POLICY IMPORT {"policies":[]}"#);
    assert_eq!(changes(&mut db), 4);
}

#[test]
fn flushing_the_keys_keeps_the_policies() {
    let mut server = Server::start();
    let mut db = server.connect();
    set_policies(&mut db, 1);
    let before = policies(&mut db);
    for command in ["FLUSHALL", "FLUSHALL SYNC", "FLUSHDB", "FLUSHALL ASYNC"] {
        db.decide("RL.CHECK k POLICY trial");
        db.run::<()>(command);
        assert_eq!(policies(&mut db), before, "{command}");
        assert_eq!(db.run::<i64>("DBSIZE"), 0);
    }
    server.restart(Stop::Save);
    assert_eq!(policies(&mut server.connect()), before);
}

#[test]
fn a_dataset_saved_without_policies_loads_without_the_module() {
    let mut server = Server::start();
    if !server.server_version().has_7_2_features() {
        println!("skipped: this server saves a module's auxiliary data with every dataset");
        return;
    }
    let mut db = server.connect();
    set_policies(&mut db, 1);
    db.run::<()>("SET key value");
    let mut plain = Server::configured(Module::Absent, &[]);
    plain.stop(Stop::NoSave);

    db.run::<()>("SAVE");
    std::fs::copy(snapshot(&server), snapshot(&plain)).expect("the snapshot can be copied");
    let log = plain.start_in_vain();
    assert!(log.contains("ratelog_t") || log.contains("module"), "{log}");

    db.run::<()>(r#"RL.POLICY IMPORT {"policies":[]}"#);
    server.stop(Stop::Save);
    std::fs::copy(snapshot(&server), snapshot(&plain)).expect("the snapshot can be copied");
    plain.start_again();
    assert_eq!(plain.connect().run::<String>("GET key"), "value");
}

/// Stops the server and tries to start it with each of these corruptions of its snapshot.
#[track_caller]
fn assert_rejected(server: &mut Server, damages: &[(&str, &str, &str)]) {
    server.stop(Stop::Save);
    let path = snapshot(server);
    let saved = std::fs::read(&path).expect("the snapshot exists");
    for (from, to, message) in damages {
        assert_eq!(from.len(), to.len(), "the text's length is stored before it");
        let place = saved.windows(from.len()).position(|bytes| bytes == from.as_bytes());
        let place = place.unwrap_or_else(|| panic!("no {from} in the snapshot"));
        let mut damaged = saved.clone();
        damaged[place..place + to.len()].copy_from_slice(to.as_bytes());
        std::fs::write(&path, damaged).expect("the snapshot can be written");
        let log = server.start_in_vain();
        assert!(log.contains("the policies were rejected"), "{to}: {log}");
        assert!(log.contains(message), "{to}: {log}");
    }
    std::fs::write(&path, saved).expect("the snapshot can be written");
    server.start_again();
}

#[test]
fn corrupt_policies_in_a_snapshot_are_rejected_with_a_message() {
    let mut server = Server::with(&PLAIN);
    let mut db = server.connect();
    db.decide("RL.CHECK k 5 1h");
    set_policies(&mut db, 1);
    let before = policies(&mut db);
    let name = "is not 1 to 64 characters";
    assert_rejected(
        &mut server,
        &[
            (r#""limit":100,"#, r#""limit":1x0,"#, "policies[0].rules[0]"),
            (r#""limit":100,"#, r#""limit":000,"#, "policies[0].rules[0]"),
            (r#""limit":1000"#, r#""limit":-100"#, "policies[0].rules[1].limit"),
            (r#""name":"long""#, r#""name":"lo g""#, name),
            (r#""name":"long""#, r#""nome":"long""#, "policies[1].nome: unknown field"),
            (r#""name":"long""#, "\"name\":\"\u{7ff}\u{0}\u{1}\"", "policies[1].name"),
            (r#""shadow":true"#, r#""shadow":tree"#, "policies[3].shadow"),
            (r#""window":"366d""#, r#""window":"366y""#, "policies[1].rules[0].window"),
            (r#"{"policies":["#, r#"["policies",["#, "invalid type: sequence"),
        ],
    );
    assert_eq!(policies(&mut server.connect()), before);
    assert_eq!(server.connect().units("k"), 1);
}

#[test]
fn a_snapshot_truncated_in_its_policies_is_rejected() {
    let mut server = Server::with(&PLAIN);
    let mut db = server.connect();
    set_policies(&mut db, 1);
    let (text, _) = policies(&mut db);
    server.stop(Stop::Save);
    let path = snapshot(&server);
    let saved = std::fs::read(&path).expect("the snapshot exists");
    let begin = saved.windows(text.len()).position(|bytes| bytes == text.as_bytes());
    let begin = begin.expect("the snapshot contains the exported policies");
    let end = begin + text.len();
    // Cut before the end of the text: if only the opcode after the text were missing, the check that Redis 7.0
    // runs before it exits would never end.
    let middle = begin + text.len() / 2;
    for length in [begin - 9, begin - 2, begin, begin + 1, middle, end - 1, end + 1] {
        std::fs::write(&path, &saved[..length]).expect("the snapshot can be written");
        let log = server.start_in_vain();
        let reasons = ["Short read", "Unexpected EOF", "short read", "truncated"];
        assert!(
            reasons.iter().any(|reason| log.contains(reason)),
            "{length} of {}: {log}",
            saved.len()
        );
    }
    std::fs::write(&path, saved).expect("the snapshot can be written");
    server.start_again();
    assert_eq!(policies(&mut server.connect()).0, text);
}
