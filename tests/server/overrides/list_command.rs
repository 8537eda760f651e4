//! `RL.OVERRIDE LIST` as a command: its count, cost and side effects.

use crate::support::{Client, Server, until};

fn started() -> (Server, Client) {
    let server = Server::start();
    let db = server.connect();
    (server, db)
}

#[test]
fn a_count_bounds_the_list() {
    let (_server, mut db) = started();
    for key in 0..9 {
        db.run::<()>(&format!("RL.OVERRIDE SET k{key} ALLOW"));
    }
    db.run::<()>("RL.OVERRIDE SET k0 DENY PX 1");
    until("one override has ended", || db.run::<i64>("EXISTS k0") == 0);
    for (count, length) in [("1", 1), ("7", 7), ("8", 8), ("9", 8), ("9223372036854775807", 8)] {
        let listed: Vec<redis::Value> = db.run(["RL.OVERRIDE", "LIST", "count", count]);
        assert_eq!(listed.len(), length, "COUNT {count}");
    }
}

#[test]
fn a_list_does_not_change_the_selected_database() {
    let (_server, mut db) = started();
    for database in [9, 0, 4] {
        db.run::<()>(&format!("SELECT {database}"));
        db.run::<()>(&format!("RL.OVERRIDE SET k{database} ALLOW"));
    }
    assert_eq!(db.overrides(), ["0 k0 allow", "4 k4 allow", "9 k9 allow"]);
    assert_eq!(db.run::<Vec<String>>("KEYS *"), ["k4"]);
    let script = "redis.call('RL.OVERRIDE', 'LIST') return redis.call('KEYS', '*')";
    assert_eq!(db.run::<Vec<String>>(["EVAL", script, "0"]), ["k4"]);
    db.run::<()>("MULTI");
    db.run::<()>("RL.OVERRIDE LIST");
    db.run::<()>("SET here 1");
    db.run::<()>("EXEC");
    assert_eq!(db.run::<i64>("EXISTS here"), 1);
    let script = "redis.call('SELECT', 5) redis.call('RL.OVERRIDE', 'SET', 'k5', 'ALLOW') \
                  redis.call('RL.OVERRIDE', 'LIST') redis.call('SET', 'there', 1)";
    db.run::<()>("MULTI");
    db.run::<()>(["EVAL", script, "0"]);
    db.run::<()>("EXEC");
    assert_eq!(db.run::<i64>("EXISTS there"), 0);
    db.run::<()>("SELECT 5");
    assert_eq!(db.run::<i64>("EXISTS there k5"), 2);
    assert_eq!(db.overrides()[2], "5 k5 allow");
}

#[test]
fn a_list_reads_only_keys_with_overrides() {
    let (_server, mut db) = started();
    db.run::<()>("DEBUG POPULATE 200000");
    let fill = "for i = 1, 5000 do redis.call('RL.CHECK', 'log:' .. i, 5, '1h') end";
    db.run::<()>(["EVAL", fill, "0"]);
    for key in ["a", "b", "c"] {
        db.run::<()>(&format!("RL.OVERRIDE SET {key} ALLOW"));
    }
    let reads =
        |db: &mut Client| db.info_number("keyspace_hits") + db.info_number("keyspace_misses");
    let before = reads(&mut db);
    assert_eq!(db.overrides().len(), 3);
    let read = reads(&mut db) - before;
    assert!(read <= 3, "{read} keys were read");
}
