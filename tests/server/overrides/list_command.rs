//! `RL.OVERRIDE LIST` as a command: its count, cost and side effects.

use crate::support::{Client, Server, field, until};

fn started() -> (Server, Client) {
    let server = Server::start();
    let db = server.connect();
    (server, db)
}

/// Returns the cursor and the keys of a page.
fn page(db: &mut Client, options: &str) -> (u64, Vec<String>) {
    let command = format!("RL.OVERRIDE LIST {options}");
    let (cursor, listed): (u64, Vec<redis::Value>) = db.run(command.trim_end());
    (cursor, listed.iter().map(|one| field(one, "key").expect("a key")).collect())
}

#[test]
fn a_count_bounds_the_page_and_the_cursor_continues_after_it() {
    let (_server, mut db) = started();
    for key in 0..9 {
        db.run::<()>(&format!("RL.OVERRIDE SET k{key} ALLOW"));
    }
    db.run::<()>("RL.OVERRIDE SET k0 DENY PX 1");
    until("one override has ended", || db.run::<i64>("EXISTS k0") == 0);
    for (count, pages) in [(1, 8), (3, 3), (7, 2), (8, 1), (1000, 1)] {
        let (mut cursor, mut keys, mut calls) = (0, Vec::new(), 0);
        loop {
            let (next, found) = page(&mut db, &format!("cursor {cursor} count {count}"));
            assert!(found.len() <= count);
            keys.extend(found);
            calls += 1;
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        assert_eq!((keys.len(), calls), (8, pages), "COUNT {count}");
    }
    assert_eq!(page(&mut db, "CURSOR 18446744073709551615"), (0, vec![]));
}

#[test]
fn overrides_that_stay_are_listed_once_while_others_come_and_go() {
    let (_server, mut db) = started();
    for key in 0..20 {
        db.run::<()>(&format!("RL.OVERRIDE SET stays{key} ALLOW"));
        db.run::<()>(&format!("RL.OVERRIDE SET goes{key} ALLOW"));
    }
    let (mut cursor, mut keys, mut round) = (0, Vec::new(), 0);
    loop {
        let (next, found) = page(&mut db, &format!("CURSOR {cursor} COUNT 4"));
        keys.extend(found);
        cursor = next;
        if cursor == 0 {
            break;
        }
        db.run::<()>(&format!("RL.OVERRIDE SET comes{round} DENY"));
        db.run::<i64>(&format!("DEL goes{round}"));
        db.run::<()>(&format!("RL.OVERRIDE SET stays{round} LIMIT {round} 1h"));
        db.run::<()>("SWAPDB 1 2");
        round += 1;
    }
    let count = |name: &str| keys.iter().filter(|key| key.starts_with(name)).count();
    assert_eq!(count("stays"), 20, "{keys:?}");
    let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len(), "{keys:?}");
}

#[test]
fn a_pattern_selects_keys() {
    let (_server, mut db) = started();
    for key in ["user:1", "user:22", "ip:192.0.2.1", "{user}:3"] {
        db.run::<()>(&format!("RL.OVERRIDE SET {key} ALLOW"));
    }
    for (pattern, keys) in [
        ("user:*", ["user:1", "user:22"].as_slice()),
        ("user:?", &["user:1"]),
        ("{user}:[0-9]", &["{user}:3"]),
        ("nobody", &[]),
        ("*", &["user:1", "user:22", "ip:192.0.2.1", "{user}:3"]),
    ] {
        assert_eq!(
            page(&mut db, &format!("MATCH {pattern}")),
            (0, keys.iter().map(|&key| key.to_owned()).collect())
        );
    }
    // COUNT bounds the overrides that are looked at, not those that match.
    let (cursor, keys) = page(&mut db, "MATCH ip:* COUNT 2");
    assert_eq!(keys, Vec::<String>::new());
    assert_eq!(page(&mut db, &format!("MATCH ip:* COUNT 2 CURSOR {cursor}")).1, ["ip:192.0.2.1"]);
}

#[test]
fn a_pattern_is_compared_with_a_long_name_in_little_time() {
    let (_server, mut db) = started();
    // Each byte of the name can begin the part that is searched for.
    let part = "a".repeat(900);
    for (length, pattern, is_listed) in [
        (30_000, format!("*{part}b*"), false),
        (30_000, format!("*{part}*"), true),
        (500_000, "*aab*".into(), false),
        (1_000_000, format!("{part}b*"), false),
        (1_000_000, format!("*{part}b"), false),
        (1_000_000, format!("{part}*"), true),
        // A search would take too long, so only the beginning and the end are compared.
        (1_000_000, format!("*{part}b*"), true),
        (1_000_000, format!("b*{part}b*"), false),
    ] {
        db.run::<()>("FLUSHALL");
        db.run::<()>("CONFIG RESETSTAT");
        db.run::<()>(["RL.OVERRIDE", "SET", &"a".repeat(length), "DENY"]);
        let (_, listed): (u64, Vec<redis::Value>) =
            db.run(["RL.OVERRIDE", "LIST", "MATCH", &pattern]);
        assert_eq!(listed.len() == 1, is_listed, "{length} {pattern}");
        let stats = db.info("cmdstat_rl.override|list");
        let micros = stats.split(',').find_map(|field| field.strip_prefix("usec="));
        let micros: u64 = micros.and_then(|text| text.parse().ok()).expect("the time is a number");
        // About a millisecond on an idle machine.
        assert!(micros < 100_000, "{length} {pattern}: {micros} microseconds");
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
