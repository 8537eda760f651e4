//! `RL.POLICY EXPORT` and `IMPORT`: all policies as one document.

use crate::support::{Client, Random, Server, assert_same_dataset};

const REJECTED: &str = "ERR policies cannot be read: ";

fn export(db: &mut Client) -> String {
    db.run("RL.POLICY EXPORT")
}

fn digest(db: &mut Client) -> String {
    db.info("rl_policies_digest")
}

fn import(db: &mut Client, text: impl AsRef<[u8]>) -> Result<(), String> {
    db.attempt([&b"RL.POLICY"[..], b"IMPORT", text.as_ref()])
}

/// Returns a document with these entries after a valid one.
fn document(entries: &str) -> String {
    format!(r#"{{"policies":[{{"name":"good","rules":[{{"limit":1,"window":"1s"}}]}},{entries}]}}"#)
}

fn set_many(db: &mut Client, seed: u64) {
    let mut random = Random::seeded(seed);
    for index in 0..150 {
        let shadow = random.pick(&["", "", " SHADOW"]);
        let rules: String = (0..=random.below(16))
            .map(|_| {
                let window = random.pick(&["1", "90", "1ms", "1001ms", "59m", "24h", "7d", "366d"]);
                format!(" {} {window}", random.below(2) * random.below(1_000_001))
            })
            .collect();
        db.run::<()>(&format!("RL.POLICY SET api/{}.{index}{shadow}{rules}", random.below(9)));
    }
}

#[test]
fn an_export_can_be_imported_on_any_server() {
    let (server, other) = (Server::start(), Server::start());
    let (mut db, mut there) = (server.connect(), other.connect());
    set_many(&mut db, 7);
    there.run::<()>("RL.POLICY SET old 5 1h");
    let (text, expected) = (export(&mut db), digest(&mut db));
    assert_ne!(expected, digest(&mut there));
    for db in [&mut db, &mut there] {
        import(db, &text).expect("an export can be imported");
        assert_eq!(export(db), text);
        assert_eq!(digest(db), expected);
    }
    for name in db.run::<Vec<String>>("RL.POLICY LIST") {
        let get = ["RL.POLICY", "GET", &name];
        assert_eq!(db.run::<redis::Value>(get), there.run::<redis::Value>(get), "{name}");
    }
}

#[test]
fn a_document_has_limits_of_zero_and_the_longest_unit_of_each_window() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET off 0 7d 5 14d 9 8d");
    let rules =
        r#"[{"limit":0,"window":"1w"},{"limit":5,"window":"2w"},{"limit":9,"window":"8d"}]"#;
    let text = format!(r#"{{"policies":[{{"name":"off","rules":{rules}}}]}}"#);
    assert_eq!(export(&mut db), text);
    db.run::<i64>("RL.POLICY DEL off");
    import(&mut db, &text).expect("an export can be imported");
    assert_eq!(export(&mut db), text);
}

#[test]
fn an_import_replaces_all_policies_on_a_server_and_its_replicas() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    set_many(&mut db, 8);
    import(&mut db, document(r#"{"shadow":true,"rules":[{"window":"60","limit":9}],"name":"b"}"#))
        .expect("fields may come in any order");
    assert_eq!(db.run::<Vec<String>>("RL.POLICY LIST"), ["b", "good"]);
    assert_same_dataset(&server, &replica);
    assert_eq!(export(&mut replica.connect()), export(&mut db));
    import(&mut db, r#" { "policies" : [ ] } "#).expect("a document without policies is valid");
    assert_eq!(export(&mut db), r#"{"policies":[]}"#);
    assert_same_dataset(&server, &replica);
    assert_eq!(digest(&mut replica.connect()), digest(&mut db));
}

#[test]
fn an_import_keeps_the_counts_of_the_policies_that_stay() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET good 5 1h");
    db.run::<()>("RL.POLICY SET gone 5 1h");
    for policy in ["good", "gone"] {
        db.decide(&format!("RL.CHECK k POLICY {policy}"));
    }
    import(&mut db, document(r#"{"name":"new","rules":[{"limit":9,"window":"1h"}]}"#)).unwrap();
    assert!(db.info("rl_policy_good").starts_with("checks=1,"));
    assert!(db.info("rl_policy_new").starts_with("checks=0,"));
    db.run::<()>("RL.POLICY SET gone 5 1h");
    assert!(db.info("rl_policy_gone").starts_with("checks=0,"));
}

#[test]
fn the_digest_depends_only_on_the_policies() {
    let (server, other) = (Server::start(), Server::start());
    let (mut one, mut two) = (server.connect(), other.connect());
    assert_eq!(digest(&mut one), digest(&mut two));
    let lines = ["a 5 1m 50 1h", "b SHADOW 5 1m", "c/d 7 1500ms"];
    for line in lines {
        one.run::<()>(&format!("RL.POLICY SET {line}"));
    }
    two.run::<()>("RL.POLICY SET extra 1 1s");
    for line in lines.iter().rev() {
        two.run::<()>(&format!("RL.POLICY SET {line}"));
    }
    assert_ne!(digest(&mut one), digest(&mut two), "the first server has one more policy");
    two.run::<i64>("RL.POLICY DEL extra");
    two.decide("RL.CHECK k POLICY a");
    assert_eq!(digest(&mut one), digest(&mut two));
    // Equal windows give equal digests, however they are written.
    two.run::<()>("RL.POLICY SET a 5 60000ms 50 60m");
    assert_eq!(digest(&mut one), digest(&mut two));
    for other in ["a 6 1m 50 1h", "a 5 1m 50 3601", "a 50 1h 5 1m", "a 5 1m", "a SHADOW 5 1m 50 1h"]
    {
        two.run::<()>(&format!("RL.POLICY SET {other}"));
        assert_ne!(digest(&mut one), digest(&mut two), "{other}");
    }
    two.run::<()>("RL.POLICY SET a 5 1m 50 1h");
    two.run::<()>("RL.POLICY SET A 5 1m 50 1h");
    two.run::<()>("RL.POLICY DEL c/d");
    assert_ne!(digest(&mut one), digest(&mut two), "the names differ");
}

#[test]
fn the_largest_document_can_be_imported_with_any_layout() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("CONFIG SET rl.max-policies 1000");
    let rules = vec![serde_json::json!({"limit": 1_000_000, "window": "31622399999ms"}); 16];
    let entry =
        |index| serde_json::json!({"name": format!("{index:064}"), "shadow": true, "rules": rules});
    let policies =
        |count: u32| serde_json::json!({"policies": (0..count).map(entry).collect::<Vec<_>>()});
    import(&mut db, serde_json::to_string_pretty(&policies(1000)).unwrap()).unwrap();
    assert_eq!(db.info("rl_policies"), "1000");
    let text = export(&mut db);
    import(&mut db, &text).expect("an export can be imported");
    let one_more = import(&mut db, policies(1001).to_string()).unwrap_err();
    assert_eq!(one_more, "ERR there would be more than 1000 policies (rl.max-policies)");
    assert_eq!(export(&mut db), text);
}

#[test]
fn a_bad_last_entry_changes_nothing() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    set_many(&mut db, 9);
    db.run::<()>("RL.POLICY SET good 5 1h");
    db.decide("RL.CHECK k POLICY good");
    assert_same_dataset(&server, &replica);
    let state = |db: &mut Client| {
        let stats: redis::Value = db.run("RL.STATS");
        let counts =
            ["rdb_changes_since_last_save", "master_repl_offset"].map(|field| db.info(field));
        (export(db), digest(db), stats, counts)
    };
    let before = state(&mut db);
    let good: String = (0..900)
        .map(|index| format!(r#"{{"name":"n{index}","rules":[{{"limit":1,"window":"1s"}}]}},"#))
        .collect();
    for (bad, path) in [
        (
            r#"{"name":"bad","rules":[{"limit":-1,"window":"1s"}]}"#,
            "policies[901].rules[0].limit: ",
        ),
        (
            r#"{"name":"n7","rules":[{"limit":1,"window":"1s"}]}"#,
            "policies[901].name: 'n7' is given twice",
        ),
        (r#"{"name":"bad"}"#, "policies[901]: missing field `rules`"),
        ("null", "policies[901]: invalid type: null"),
    ] {
        let error = import(&mut db, document(&format!("{good}{bad}"))).unwrap_err();
        assert!(error.starts_with(&format!("{REJECTED}{path}")), "{error}");
        assert_eq!(state(&mut db), before);
    }
}

#[test]
fn a_wrong_field_is_named_by_its_path() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("CONFIG SET rl.max-limit 50 rl.max-window 2h");
    let rules = r#""rules":[{"limit":1,"window":"1s"}]"#;
    let seventeen = vec![r#"{"limit":1,"window":"1s"}"#; 17].join(",");
    for (entry, expected) in [
        (
            format!(r#"{{"name":"b",{rules},"color":1}}"#),
            "policies[1].color: unknown field `color`",
        ),
        (format!(r#"{{"name":"good",{rules}}}"#), "policies[1].name: 'good' is given twice"),
        (format!(r#"{{"name":"b","name":"c",{rules}}}"#), "policies[1]: duplicate field `name`"),
        (
            format!(r#"{{"name":"b c",{rules}}}"#),
            "policies[1].name: policy name 'b c' is not 1 to 64",
        ),
        (format!(r#"{{"name":"",{rules}}}"#), "policies[1].name: policy name '' is not 1 to 64"),
        (format!(r#"{{"name":null,{rules}}}"#), "policies[1].name: invalid type: null"),
        (format!(r#"{{"name":["b"],{rules}}}"#), "policies[1].name: invalid type: sequence"),
        (format!(r#"{{"name":"b","shadow":1,{rules}}}"#), "policies[1].shadow: invalid type"),
        (format!(r#"{{"name":"b","shadow":"true",{rules}}}"#), "policies[1].shadow: invalid type"),
        (r#"{"name":"b","rules":{}}"#.into(), "policies[1].rules: invalid type: map"),
        (
            r#"{"name":"b","rules":[]}"#.into(),
            "policies[1].rules: 0 are given, 1 to 16 are allowed",
        ),
        (format!(r#"{{"name":"b","rules":[{seventeen}]}}"#), "policies[1].rules: 17 are given"),
        (r#"{"name":"b","rules":[7]}"#.into(), "policies[1].rules[0]: invalid type: integer `7`"),
        (
            r#"{"name":"b","rules":[[1,"1s"]]}"#.into(),
            "policies[1].rules[0]: invalid type: sequence",
        ),
        (r#"["b",false,[]]"#.into(), "policies[1]: invalid type: sequence"),
        ("[[[]]]".into(), "policies[1]: invalid type: sequence"),
    ] {
        let error = import(&mut db, document(&entry)).unwrap_err();
        assert!(error.starts_with(&format!("{REJECTED}{expected}")), "{entry}: {error}");
    }
    for (rule, expected) in [
        (r#""limit":51,"window":"1s""#, "limit: limit '51' is not an integer from 0 to 50"),
        (r#""limit":-1,"window":"1s""#, "limit: invalid value: integer `-1`"),
        (r#""limit":1.0,"window":"1s""#, "limit: invalid type: floating point `1.0`"),
        (r#""limit":1e2,"window":"1s""#, "limit: invalid type: floating point"),
        (r#""limit":1e999,"window":"1s""#, "limit: number out of range"),
        (r#""limit":"5","window":"1s""#, "limit: invalid type: string"),
        (
            r#""limit":18446744073709551615,"window":"1s""#,
            "limit: limit '18446744073709551615' is not",
        ),
        (r#""limit":18446744073709551616,"window":"1s""#, "limit: invalid type: floating point"),
        (r#""limit":1,"window":"3h""#, "window: window '3h' is not a positive integer"),
        (r#""limit":1,"window":60"#, "window: invalid type: integer `60`"),
        (r#""limit":1"#, "missing field `window`"),
        (r#""limit":1,"window":"1s","x":{}"#, "x: unknown field `x`"),
    ] {
        let entry = format!(r#"{{"name":"b","rules":[{{"limit":1,"window":"1s"}},{{{rule}}}]}}"#);
        let error = import(&mut db, document(&entry)).unwrap_err();
        let of_the_rule = error.strip_prefix(&format!("{REJECTED}policies[1].rules[1]"));
        let reason = of_the_rule.unwrap_or_else(|| panic!("{rule}: {error}"));
        assert!(
            reason.trim_start_matches(['.', ':', ' ']).starts_with(expected),
            "{rule}: {error}"
        );
    }
    assert_eq!(export(&mut db), r#"{"policies":[]}"#);
}
