//! Active defragmentation moves every part of a log without changing it.

use crate::support::{Client, Load, Mix, Server, until};

const LOGS: usize = 2400;

/// Creates logs of several sizes and removes more of the later ones.
fn fragment(db: &mut Client) {
    let now = db.now_ms();
    let hits: Vec<_> = (0..2000).map(|step| (now - 900_000 + 331 * step, 1 + step % 5)).collect();
    for log in 0..LOGS {
        let count = if log % 50 == 0 { 2000 } else { 1 + log % 60 };
        db.record(&format!("log:{log}"), 31_622_400_000, &hits[..count]);
    }
    for log in (0..LOGS).filter(|log| log % (1 + log / 300) != 0) {
        db.run::<i64>(&format!("DEL log:{log}"));
    }
}

fn digests(db: &mut Client) -> Vec<String> {
    let names: Vec<_> = (0..LOGS).map(|log| format!("log:{log}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    db.value_digests(&names)
}

#[test]
fn defragmentation_keeps_every_log_while_writers_write() {
    let server = Server::start();
    let mut db = server.connect();
    if db.attempt::<()>("CONFIG SET activedefrag yes").is_err() {
        println!("skipped: this server cannot defragment");
        return;
    }
    db.run::<()>("CONFIG SET activedefrag no");
    fragment(&mut db);
    let before = digests(&mut db);
    for setting in [
        "active-defrag-ignore-bytes 1",
        "active-defrag-threshold-lower 0",
        "active-defrag-cycle-min 50",
        "active-defrag-cycle-max 75",
        "activedefrag yes",
    ] {
        db.run::<()>(&format!("CONFIG SET {setting}"));
    }
    until("logs have been moved", || db.info_number("active_defrag_key_hits") > 100);
    assert_eq!(digests(&mut db), before);
    let load = Load::on(&server, Mix::Passing);
    let moved = db.info_number("active_defrag_key_hits");
    load.advance(2000);
    until("more logs have been moved", || db.info_number("active_defrag_key_hits") > moved);
    load.stop();
    assert_eq!(digests(&mut db), before);
    // The moved parts can still be freed.
    for log in (0..LOGS).step_by(50) {
        db.run::<i64>(&format!("RL.REFUND log:{log} COST 500"));
        db.run::<i64>(&format!("RL.RESET log:{log}"));
    }
}
