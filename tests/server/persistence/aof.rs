//! The append-only file, loaded at once, after a rewrite and hours later.

use std::io::Write;
use std::path::PathBuf;

use crate::support::{Client, Load, Mix, Server, Stop, dataset, until};

const ALWAYS: &str = "appendfsync always";

fn rewrite(db: &mut Client) {
    db.wait_for_aof();
    db.run::<()>("BGREWRITEAOF");
    db.wait_for_aof();
}

/// Returns the file to which the server appends commands.
fn tail_of(server: &Server) -> PathBuf {
    let files =
        std::fs::read_dir(server.path("appendonlydir")).expect("the AOF's directory exists");
    let mut names = files.map(|file| file.expect("the directory can be read").path());
    names.find(|path| path.to_string_lossy().ends_with(".incr.aof")).expect("the AOF has a tail")
}

fn append(server: &Server, commands: &[String]) {
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(tail_of(server))
        .expect("the AOF can be written");
    for command in commands {
        let words: Vec<_> = command.split(' ').collect();
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            text += &format!("${}\r\n{word}\r\n", word.len());
        }
        file.write_all(text.as_bytes()).expect("the AOF can be written");
    }
}

#[test]
fn an_aof_loads_to_the_same_dataset() {
    let mut server = Server::with(&["appendonly yes"]);
    let load = Load::on(&server, Mix::Lasting);
    load.advance(3000);
    load.stop();
    let mut db = server.connect();
    let before = (db.digest(), dataset(&mut db));
    assert!(!before.1.is_empty());
    server.restart(Stop::NoSave);
    let mut db = server.connect();
    assert_eq!((db.digest(), dataset(&mut db)), before);
}

#[test]
fn a_rewritten_aof_loads_to_the_same_dataset_with_and_without_a_snapshot_in_it() {
    for preamble in ["yes", "no"] {
        let line = format!("aof-use-rdb-preamble {preamble}");
        let mut server = Server::with(&["appendonly yes", &line]);
        let mut db = server.connect();
        let load = Load::on(&server, Mix::Lasting);
        load.advance(1000);
        rewrite(&mut db);
        load.advance(1000);
        load.stop();
        for _ in 0..2 {
            let before = (db.digest(), dataset(&mut db));
            db.run::<()>("DEBUG LOADAOF");
            assert_eq!((db.digest(), dataset(&mut db)), before, "{line}");
            rewrite(&mut db);
        }
        let before = (db.digest(), dataset(&mut db));
        server.restart(Stop::NoSave);
        let mut db = server.connect();
        assert_eq!((db.digest(), dataset(&mut db)), before, "{line}");
    }
}

#[test]
fn a_rewrite_without_snapshot_keeps_large_and_odd_logs() {
    let server = Server::with(&["appendonly yes", "aof-use-rdb-preamble no"]);
    let mut db = server.connect();
    let now = db.now_ms();
    let hits: Vec<_> =
        (0..20_000).map(|step| (now - 900_000 + 37 * step, 1 + step % 900)).collect();
    db.record("large", 31_622_400_000, &hits);
    db.record("ahead", 60_000, &[(now + 3_600_000, 3)]);
    db.decide([&b"RL.CHECK"[..], b"\0\r\n\xff", b"5", b"1h"]);
    let before = (db.digest(), dataset(&mut db));
    rewrite(&mut db);
    db.run::<()>("DEBUG LOADAOF");
    assert_eq!((db.digest(), dataset(&mut db)), before);
}

#[test]
fn a_denied_check_adds_nothing_to_the_aof() {
    let server = Server::with(&["appendonly yes", ALWAYS]);
    let mut db = server.connect();
    db.decide("RL.CHECK k 1 1h");
    let before = db.info("aof_current_size");
    for _ in 0..100 {
        assert!(!db.decide("RL.CHECK k 1 1h").allowed);
        assert!(!db.decide("RL.CHECK new 1 1h COST 2").allowed);
        db.decide("RL.PEEK k 1 1h");
    }
    assert_eq!(db.info("aof_current_size"), before);
    db.decide("RL.CHECK k 2 1h");
    assert_ne!(db.info("aof_current_size"), before);
}

#[test]
fn an_aof_replayed_hours_later_has_no_expired_and_no_persistent_keys() {
    let mut server = Server::with(&["appendonly yes", ALWAYS]);
    let mut db = server.connect();
    let now = db.now_ms();
    db.run::<()>("SET witness 1");
    server.stop(Stop::NoSave);
    let old = now - 7_200_000;
    append(
        &server,
        &[
            "SELECT 0".to_owned(),
            format!("RL._RECORD {old} 3 gone 60000"),
            format!("RL._RECORD {} 2 gone 60000", old + 500),
            format!("RL._RECORD {old} 3 refunded 60000"),
            format!("RL._APPLY refunded REFUND {} 1", old + 10),
            format!("RL._RECORD {old} 3 back 60000"),
            format!("RL._RECORD {now} 2 back 3600000"),
            format!("RL._RECORD {} 1 kept 3600000", old + 4_000_000),
            format!("RL._RECORD {} 2 kept 1000", old + 4_500_000),
        ],
    );
    server.start_again();
    let mut db = server.connect();
    for key in ["gone", "refunded"] {
        assert_eq!(db.run::<i64>(["PTTL", key]), -2, "{key}");
        assert_eq!(db.decide(&format!("RL.PEEK {key} 5 60")).remaining, 5);
    }
    assert_eq!(db.hits("back"), [(now, 2)]);
    assert_eq!(db.units("kept"), 3);
    for key in ["back", "kept"] {
        assert!(db.run::<i64>(["PTTL", key]) > 0, "{key} has no expiry");
    }
    until("only live keys are left", || db.run::<i64>("DBSIZE") == 3);
}

#[test]
fn keys_that_expire_and_come_back_load_to_the_same_dataset() {
    let mut server = Server::with(&["appendonly yes", ALWAYS]);
    let load = Load::on(&server, Mix::Passing);
    load.advance(4000);
    load.stop();
    let mut db = server.connect();
    for key in 0..40 {
        db.decide(&format!("RL.CHECK key:{key} 1000000 1h"));
    }
    until("the short windows have ended", || {
        let info: String = db.run("INFO keyspace");
        info.contains("db0:keys=40,") && !info.contains("db1:")
    });
    let before = (db.digest(), dataset(&mut db));
    server.restart(Stop::Kill);
    let mut db = server.connect();
    assert_eq!((db.digest(), dataset(&mut db)), before);
}
