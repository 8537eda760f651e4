//! Policies in the append-only file.
//!
//! A rewrite without an RDB preamble contains only keys, so the module replicates the policies again after the fork
//! of such a rewrite. These tests cover that moment.

use crate::support::{Client, Server, Stop, policies, set_policies, until, wait_until_in_step};

const ALWAYS: [&str; 2] = ["appendonly yes", "appendfsync always"];
const PREAMBLES: [&str; 2] = ["aof-use-rdb-preamble no", "aof-use-rdb-preamble yes"];

fn with_aof(preamble: &str) -> Server {
    Server::with(&[ALWAYS[0], ALWAYS[1], preamble])
}

fn rewrite(db: &mut Client) {
    db.run::<()>("BGREWRITEAOF");
    db.wait_for_aof();
}

/// Kills the server, starts it again and compares its policies.
#[track_caller]
fn assert_survives_a_kill(server: &mut Server, what: &str) {
    let before = policies(&mut server.connect());
    server.restart(Stop::Kill);
    assert_eq!(policies(&mut server.connect()), before, "{what}");
}

#[test]
fn every_acknowledged_change_of_policies_survives_a_kill() {
    let mut server = with_aof(PREAMBLES[0]);
    let mut db = server.connect();
    set_policies(&mut db, 1);
    db.run::<()>("RL.POLICY SET trial 3 1h");
    db.run::<i64>("RL.POLICY DEL long");
    assert_survives_a_kill(&mut server, "after SET and DEL");
    let mut db = server.connect();
    assert_eq!(db.run::<Vec<String>>("RL.POLICY LIST"), ["api/search", "of:1", "trial"]);
    let text = r#"{"policies":[{"name":"new","rules":[{"limit":5,"window":"1m"}]}]}"#;
    db.run::<()>(["RL.POLICY", "IMPORT", text]);
    db.run::<()>("FLUSHALL");
    assert_survives_a_kill(&mut server, "after IMPORT and FLUSHALL");
    assert_eq!(policies(&mut server.connect()).0, text);
}

#[test]
fn policies_survive_a_rewrite_and_a_kill() {
    for preamble in PREAMBLES {
        let mut server = with_aof(preamble);
        let mut db = server.connect();
        set_policies(&mut db, 1);
        db.decide("RL.CHECK k POLICY api/search");
        rewrite(&mut db);
        assert_survives_a_kill(&mut server, preamble);
        let mut db = server.connect();
        // Later rewrites must also contain the policies.
        for _ in 0..3 {
            rewrite(&mut db);
        }
        assert_survives_a_kill(&mut server, preamble);
        let mut db = server.connect();
        assert!(policies(&mut db).0.contains("of:1"));
        let before = policies(&mut db);
        db.run::<()>("DEBUG LOADAOF");
        assert_eq!(policies(&mut db), before, "{preamble}");
    }
}

#[test]
fn a_change_around_a_rewrite_is_neither_lost_nor_undone() {
    for preamble in PREAMBLES {
        let mut server = with_aof(preamble);
        for round in 0..4 {
            let mut raw = server.connect_raw();
            // Send everything in one batch, so that the changes come right before and right after the fork.
            raw.exchange_bytes(
                format!(
                    "RL.POLICY SET before:{round} 5 1h\r\nRL.POLICY SET gone 5 1h\r\n\
                     RL.POLICY SET other {} 1h\r\nBGREWRITEAOF\r\nRL.POLICY DEL gone\r\n\
                     RL.POLICY SET other {} 1h\r\nRL.POLICY SET after:{round} 5 1h\r\n",
                    10 + round,
                    20 + round
                )
                .as_bytes(),
            );
            server.connect().wait_for_aof();
            assert_survives_a_kill(&mut server, preamble);
            let (text, _) = policies(&mut server.connect());
            let has = |part: &str| text.contains(part);
            assert!(has(&format!("before:{round}")) && has(&format!("after:{round}")), "{text}");
            assert!(!has("gone") && has(&format!(r#""limit":{}"#, 20 + round)), "{text}");
        }
    }
}

#[test]
fn a_policy_deleted_around_a_rewrite_stays_deleted() {
    let mut server = with_aof(PREAMBLES[0]);
    let none = r#"{"policies":[]}"#;
    for commands in [
        "RL.POLICY SET p 5 1h\r\nBGREWRITEAOF\r\nRL.POLICY DEL p\r\n",
        "RL.POLICY SET p 5 1h\r\nRL.POLICY DEL p\r\nBGREWRITEAOF\r\n",
    ] {
        server.connect_raw().exchange_bytes(commands.as_bytes());
        server.connect().wait_for_aof();
        assert_survives_a_kill(&mut server, commands);
        assert_eq!(policies(&mut server.connect()).0, none);
    }
}

#[test]
fn a_rewrite_while_writes_are_paused_keeps_the_policies() {
    for preamble in PREAMBLES {
        let mut server = with_aof(preamble);
        let mut db = server.connect();
        set_policies(&mut db, 1);
        let replica = server.start_replica(&[]);
        db.run::<()>("CLIENT PAUSE 600000 WRITE");
        rewrite(&mut db);
        let offset = db.info("master_repl_offset");
        rewrite(&mut db);
        assert_eq!(db.info("master_repl_offset"), offset, "nothing is replicated during a pause");
        db.run::<()>("CLIENT UNPAUSE");
        if preamble == PREAMBLES[0] {
            until("the policies are replicated", || db.info("master_repl_offset") != offset);
        }
        assert_survives_a_kill(&mut server, preamble);
        drop(replica);
    }
}

/// Writes a snapshot in a child and waits for it. Returns the number of changes since that snapshot.
fn changes_after_snapshot(db: &mut Client) -> String {
    db.run::<()>("BGSAVE");
    until("the snapshot is written", || db.info("rdb_bgsave_in_progress") == "0");
    db.info("rdb_changes_since_last_save")
}

#[test]
fn a_snapshot_is_not_a_change_that_makes_the_next_one_due() {
    for preamble in PREAMBLES {
        let server = with_aof(preamble);
        let mut db = server.connect();
        set_policies(&mut db, 1);
        assert_eq!(changes_after_snapshot(&mut db), "0", "{preamble}");
        let size = db.info("aof_current_size");
        assert_eq!(changes_after_snapshot(&mut db), "0", "{preamble}");
        assert_eq!(db.info("aof_current_size"), size, "{preamble}");
        rewrite(&mut db);
        let changes = if preamble == PREAMBLES[0] { "1" } else { "0" };
        assert_eq!(db.info("rdb_changes_since_last_save"), changes, "{preamble}");
        assert_eq!(changes_after_snapshot(&mut db), "0", "{preamble}");
    }
}

#[test]
fn an_aof_that_is_turned_on_contains_the_policies() {
    for preamble in PREAMBLES {
        let mut server = Server::with(&["appendfsync always", preamble]);
        let mut db = server.connect();
        set_policies(&mut db, 1);
        db.run::<()>("CONFIG SET appendonly yes");
        db.wait_for_aof();
        db.run::<()>("CONFIG REWRITE");
        assert_survives_a_kill(&mut server, preamble);
        assert!(policies(&mut server.connect()).0.contains("of:1"), "{preamble}");
    }
}

#[test]
fn a_rewrite_keeps_the_policies_without_the_command_config() {
    for disabled in ["rename-command CONFIG \"\"", "rename-command CONFIG other"] {
        for preamble in PREAMBLES {
            let mut server = Server::with(&[ALWAYS[0], ALWAYS[1], preamble, disabled]);
            let mut db = server.connect();
            assert!(db.error("CONFIG GET save").contains("unknown command"));
            set_policies(&mut db, 1);
            rewrite(&mut db);
            let marker = db.info("aof_current_size");
            db.decide("RL.CHECK k POLICY api/search");
            until("the effect is written", || db.info("aof_current_size") != marker);
            assert_survives_a_kill(&mut server, preamble);
            assert!(policies(&mut server.connect()).0.contains("of:1"), "{preamble}");
        }
    }
}

#[test]
fn a_rewrite_of_an_aof_that_is_off_contains_the_policies_if_there_is_a_key() {
    for preamble in PREAMBLES {
        let mut server = Server::with(&["save \"\"", "appendfsync always", preamble]);
        let mut db = server.connect();
        set_policies(&mut db, 1);
        db.decide("RL.CHECK k POLICY api/search");
        db.run::<()>("SELECT 3");
        db.decide("RL.CHECK k POLICY api/search");
        let before = policies(&mut db);
        db.run::<()>("BGREWRITEAOF");
        until("the AOF is written", || db.info("aof_rewrite_in_progress") == "0");
        assert_eq!(db.info("aof_last_bgrewrite_status"), "ok");
        server.stop(Stop::Kill);
        server.start_again_with(&["appendonly yes"]);
        let mut db = server.connect();
        assert_eq!(policies(&mut db), before, "{preamble}");
        assert_eq!(db.run::<i64>("DBSIZE"), 1, "{preamble}");
    }
}

#[test]
fn a_replicas_own_aof_keeps_the_policies_through_rewrites() {
    for preamble in PREAMBLES {
        let server = Server::start();
        let mut db = server.connect();
        set_policies(&mut db, 1);
        let mut replica = server.start_replica(&[ALWAYS[0], ALWAYS[1], preamble]);
        let last = replica.start_replica(&[]);
        let mut link = replica.connect();
        link.wait_for_aof();
        for mark in 2..4 {
            rewrite(&mut link);
            set_policies(&mut db, mark);
            db.run::<i64>(&format!("RL.POLICY DEL of:{mark}"));
        }
        rewrite(&mut link);
        // The replica's own file does not affect its replicas.
        wait_until_in_step(&server, &replica);
        wait_until_in_step(&replica, &last);
        let before = policies(&mut db);
        assert_eq!(policies(&mut link), before, "{preamble}");
        assert_eq!(policies(&mut last.connect()), before, "{preamble}");
        assert_eq!(link.info("sync_full"), "1", "the last replica needed a full synchronisation");
        assert_survives_a_kill(&mut replica, preamble);
        replica.follow(&server);
        set_policies(&mut db, 5);
        wait_until_in_step(&server, &replica);
        assert_eq!(policies(&mut replica.connect()), policies(&mut db), "{preamble}");
    }
}

#[test]
fn corrupt_policies_in_the_aof_are_rejected_with_a_message() {
    let mut server = with_aof(PREAMBLES[0]);
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET p 5 1h");
    server.stop(Stop::Kill);
    let files =
        std::fs::read_dir(server.path("appendonlydir")).expect("the AOF's directory exists");
    let mut names = files.map(|file| file.expect("the directory can be read").path());
    let tail = names
        .find(|path| path.to_string_lossy().ends_with(".incr.aof"))
        .expect("the AOF has a tail");
    let text = std::fs::read_to_string(&tail).expect("the tail can be read");
    assert!(text.contains(r#""window":"1h""#), "{text}");
    std::fs::write(&tail, text.replace(r#""window":"1h""#, r#""window":"1x""#))
        .expect("the tail can be written");
    // The server treats an error in its file like an error of one of its own commands.
    server.start_again();
    assert_eq!(policies(&mut server.connect()).0, r#"{"policies":[]}"#);
    until("the reason is logged", || server.log().contains("rules[0].window"));
}
