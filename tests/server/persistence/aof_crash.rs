//! kill -9 under load. Acknowledged units survive.

use crate::support::{Load, Mix, Server, Stop, dataset, until};

/// Starts writers that check their own key until the server is gone. Returns their acknowledged units.
fn write_until_killed(server: &mut Server, writers: usize) -> Vec<i64> {
    let clients: Vec<_> = (0..writers).map(|_| server.connect()).collect();
    let mut db = server.connect();
    let threads: Vec<_> = clients
        .into_iter()
        .enumerate()
        .map(|(writer, mut client)| {
            std::thread::spawn(move || {
                let command = format!("RL.CHECK own:{writer} 1000000 1h");
                let mut acknowledged = 0;
                while client.attempt::<redis::Value>(&command).is_ok() {
                    acknowledged += 1;
                }
                acknowledged
            })
        })
        .collect();
    until("every writer has written", || {
        (0..writers).all(|writer| db.units(&format!("own:{writer}")) > 100)
    });
    server.stop(Stop::Kill);
    threads.into_iter().map(|thread| thread.join().expect("no writer failed")).collect()
}

#[test]
fn every_acknowledged_unit_survives_a_kill_when_each_write_is_synced() {
    let mut server = Server::with(&["appendonly yes", "appendfsync always"]);
    let acknowledged = write_until_killed(&mut server, 3);
    server.start_again();
    let mut db = server.connect();
    for (writer, acknowledged) in acknowledged.into_iter().enumerate() {
        // The server may have recorded the last check without sending its reply.
        let units = db.units(&format!("own:{writer}"));
        assert!((acknowledged..=acknowledged + 1).contains(&units));
    }
}

#[test]
fn a_kill_while_syncing_every_second_loses_nothing_that_was_written_out() {
    let mut server = Server::with(&["appendonly yes", "appendfsync everysec"]);
    let load = Load::on(&server, Mix::Lasting);
    load.advance(3000);
    load.stop();
    let mut db = server.connect();
    db.wait_for_aof();
    if server.server_version().has_7_2_features() {
        let (local, _): (i64, i64) = db.run("WAITAOF 1 0 5000");
        assert_eq!(local, 1);
    }
    let before = (db.digest(), dataset(&mut db));
    server.restart(Stop::Kill);
    let mut db = server.connect();
    assert_eq!((db.digest(), dataset(&mut db)), before);
}

#[test]
fn a_kill_while_the_aof_is_rewritten_loses_nothing_acknowledged() {
    let mut server = Server::with(&["appendonly yes", "appendfsync always"]);
    let now = server.connect().now_ms();
    let hits: Vec<_> = (0..5000).map(|step| (now - 900_000 + 37 * step, 1)).collect();
    server.connect().record("large", 31_622_400_000, &hits);
    server.connect().run::<()>("BGREWRITEAOF");
    let acknowledged = write_until_killed(&mut server, 2);
    server.start_again();
    let mut db = server.connect();
    assert_eq!(db.units("large"), 5000);
    for (writer, acknowledged) in acknowledged.into_iter().enumerate() {
        let units = db.units(&format!("own:{writer}"));
        assert!((acknowledged..=acknowledged + 1).contains(&units));
    }
}

/// Turns the AOF on under load, kills the server and compares the loaded dataset.
fn turn_on_and_kill(lines: &[&str]) {
    let mut server = Server::with(lines);
    let load = Load::on(&server, Mix::Lasting);
    load.advance(500);
    let mut db = server.connect();
    db.run::<()>("CONFIG SET appendonly yes");
    load.advance(500);
    db.wait_for_aof();
    load.advance(500);
    load.stop();
    db.wait_for_aof();
    db.run::<()>("CONFIG REWRITE");
    let before = (db.digest(), dataset(&mut db));
    server.restart(Stop::Kill);
    let mut db = server.connect();
    assert_eq!((db.digest(), dataset(&mut db)), before);
}

#[test]
fn an_aof_that_is_turned_on_under_load_misses_no_effect() {
    for _ in 0..3 {
        turn_on_and_kill(&["appendfsync always"]);
    }
}

#[test]
fn an_aof_of_commands_that_is_turned_on_under_load_misses_no_effect() {
    for _ in 0..3 {
        turn_on_and_kill(&["appendfsync always", "aof-use-rdb-preamble no"]);
    }
}

#[test]
fn an_aof_that_is_turned_on_while_a_snapshot_is_written_misses_no_effect() {
    let mut server = Server::with(&["appendfsync always", "rdb-key-save-delay 1000"]);
    let mut db = server.connect();
    let load = Load::on(&server, Mix::Lasting);
    load.advance(1000);
    db.run::<()>("BGSAVE");
    // The AOF's base cannot be written before the snapshot ends.
    db.run::<()>("CONFIG SET appendonly yes");
    load.advance(300);
    db.wait_for_aof();
    load.advance(300);
    load.stop();
    db.wait_for_aof();
    db.run::<()>("CONFIG REWRITE");
    let before = (db.digest(), dataset(&mut db));
    server.restart(Stop::Kill);
    let mut db = server.connect();
    assert_eq!((db.digest(), dataset(&mut db)), before);
}

#[test]
fn an_aof_that_is_turned_off_and_on_again_misses_no_effect() {
    let mut server = Server::with(&["appendonly yes", "appendfsync always"]);
    let mut db = server.connect();
    let load = Load::on(&server, Mix::Lasting);
    for _ in 0..3 {
        load.advance(200);
        db.run::<()>("CONFIG SET appendonly no");
        load.advance(200);
        db.run::<()>("CONFIG SET appendonly yes");
    }
    load.advance(200);
    load.stop();
    db.wait_for_aof();
    let before = (db.digest(), dataset(&mut db));
    server.restart(Stop::Kill);
    let mut db = server.connect();
    assert_eq!((db.digest(), dataset(&mut db)), before);
}
