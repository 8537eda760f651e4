//! `RL._RECORD`, `RL._APPLY` and `RL._POLICY` with wrong arguments. A client cannot break anything, and one
//! wrong argument means that nothing changes.

use crate::support::{Client, Server, payload};

/// State that a rejected effect must not change.
struct Before {
    digest: String,
    policies: String,
    changes: String,
    overrides: redis::Value,
}

impl Before {
    fn of(db: &mut Client) -> Self {
        Self {
            digest: db.digest(),
            policies: db.run("RL.POLICY EXPORT"),
            changes: db.info("rdb_changes_since_last_save"),
            overrides: db.run("RL.OVERRIDE LIST"),
        }
    }

    #[track_caller]
    fn assert_unchanged(&self, db: &mut Client) {
        let now = Self::of(db);
        assert_eq!(self.digest, now.digest);
        assert_eq!(self.policies, now.policies);
        assert_eq!(self.changes, now.changes);
        assert_eq!(self.overrides, now.overrides);
    }
}

/// Starts a server with a log at `k`, a string at `text`, an override at `o`, and a policy.
fn prepared() -> (Server, Client) {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK k 5 1h");
    db.run::<()>("SET text v");
    db.run::<()>("RL.OVERRIDE SET o DENY");
    db.run::<()>("RL.POLICY SET gold 5 1h");
    (server, db)
}

#[track_caller]
fn assert_named(db: &mut Client, command: &str, named: &str) {
    let error = db.error(command);
    assert!(error.starts_with("ERR "), "{command}: {error}");
    assert!(error.contains(&format!("'{named}'")), "{command}: {error}");
}

#[test]
fn every_malformed_effect_is_rejected_by_name_and_changes_nothing() {
    let (_server, mut db) = prepared();
    let before = Before::of(&mut db);
    for (effect, named) in [
        ("FOO", "FOO"),
        ("RECORD 1700000000000 1 60000", "RECORD"),
        ("SHIFT x", "x"),
        ("SHIFT -1", "-1"),
        ("SHIFT 9223372036854775807", "9223372036854775807"),
        ("REFUND x 1", "x"),
        ("REFUND 1700000000000 0", "0"),
        ("REFUND 1700000000000 x", "x"),
        ("REFUND 1700000000000 4294967296", "4294967296"),
        ("OVERRIDE x DENY", "x"),
        ("SHIFT 1700000000000 1", "1"),
        ("REFUND 1700000000000 1 2", "2"),
        ("RESET 1", "1"),
    ] {
        for key in ["k", "missing"] {
            assert_named(&mut db, &format!("RL._APPLY {key} {effect}"), named);
        }
    }
    let missing = "ERR wrong number of arguments for 'rl._apply' command";
    for effect in [
        "SHIFT",
        "REFUND",
        "REFUND 1700000000000",
        "OVERRIDE",
        "OVERRIDE 1700000000000",
        "LOAD",
        "LOAD a",
    ] {
        for key in ["k", "missing"] {
            let error = db.error(&format!("RL._APPLY {key} {effect}"));
            assert_eq!(error.to_lowercase(), missing.to_lowercase(), "{effect}");
        }
    }
    before.assert_unchanged(&mut db);
}

#[test]
fn every_malformed_record_is_rejected_by_name_and_changes_no_key() {
    let (_server, mut db) = prepared();
    let before = Before::of(&mut db);
    for (record, named) in [
        ("x 1 k 60000", "x"),
        ("-1 1 k 60000", "-1"),
        ("1.5 1 k 60000", "1.5"),
        ("01 1 k 60000", "01"),
        ("99999999999999999999 1 k 60000", "99999999999999999999"),
        ("9223372036854775807 1 k 60000", "9223372036854775807"),
        ("1700000000000 x k 60000", "x"),
        ("1700000000000 0 k 60000", "0"),
        ("1700000000000 -1 k 60000", "-1"),
        ("1700000000000 4294967296 k 60000", "4294967296"),
        ("1700000000000 1 k x", "x"),
        ("1700000000000 1 k 0", "0"),
        ("1700000000000 1 k -1", "-1"),
        ("1700000000000 1 k 60s", "60s"),
        ("1700000000000 1 k 99999999999999", "99999999999999"),
        ("1700000000000 1 k 60000 missing 0", "0"),
        ("1700000000000 1 k 60000 missing 60000 k x", "x"),
        ("1700000000000 1 text 60000 k x", "x"),
    ] {
        assert_named(&mut db, &format!("RL._RECORD {record}"), named);
        let elsewhere = record.replacen(" k ", " missing ", 1);
        assert_named(&mut db, &format!("RL._RECORD {elsewhere}"), named);
    }
    let missing = "ERR wrong number of arguments for 'rl._record' command";
    for record in
        ["1700000000000 1 k", "4000000000000 1 k 60000 missing", "4000000000000 1 k 1 k 1 k"]
    {
        let error = db.error(&format!("RL._RECORD {record}"));
        assert_eq!(error.to_lowercase(), missing.to_lowercase(), "{record}");
    }
    before.assert_unchanged(&mut db);
}

#[test]
fn an_effect_on_another_type_is_rejected_at_any_key() {
    let (_server, mut db) = prepared();
    let before = Before::of(&mut db);
    for effect in [
        "RL._RECORD 4000000000000 1 text 60000",
        "RL._RECORD 4000000000000 1 k 60000 text 60000",
        "RL._RECORD 4000000000000 1 k 60000 missing 60000 text 60000",
        "RL._RECORD 4000000000000 1 k 60000 missing 60000 text 60000 o 60000",
        "RL._APPLY text SHIFT 1700000000000",
        "RL._APPLY text REFUND 1700000000000 1",
        "RL._APPLY text RESET",
    ] {
        assert_eq!(
            db.error(effect),
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            "{effect}"
        );
    }
    for (word, texts) in [("OVERRIDE", ["1700000000000", "DENY -1"]), ("LOAD", ["", "DENY -1"])] {
        let error = db.error(["RL._APPLY", "text", word, texts[0], texts[1]]);
        assert!(error.starts_with("WRONGTYPE "), "{word}: {error}");
    }
    before.assert_unchanged(&mut db);
}

/// Texts that are not overrides, separated by bars.
const ODD_OVERRIDES: &[u8] = b" |\0|\xff\xfe|ALLOW|allow -1|ALLOW -2|ALLOW 01|ALLOW -1 | ALLOW -1|\
    ALLOW\t-1|ALLOW -1\n|ALLOW -1\0|ALLOW -1 10 1000ms|DENY 99999999999999999999|\
    DENY 9223372036854775807|LIMIT -1|LIMIT -1 10|LIMIT -1 10 1s|LIMIT -1 10 1000|LIMIT -1 00 1000ms|\
    LIMIT -1 010 1000ms|LIMIT -1 4294967296 1000ms|LIMIT -1 10 0ms|LIMIT -1 10 99999999999999ms|\
    LIMIT -1  10 1000ms|LIMIT -1 10 1000ms 5|PASS -1";

fn odd_overrides() -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> =
        ODD_OVERRIDES.split(|&byte| byte == b'|').map(Into::into).collect();
    texts.push(format!("LIMIT -1{}", " 1 1000ms".repeat(17)).into());
    texts.push(format!("LIMIT -1{}", " 1 1000ms".repeat(100_000)).into());
    texts.push(vec![b'A'; 1_000_000]);
    texts.push(vec![b' '; 1_000_000]);
    texts
}

#[test]
fn an_invalid_override_is_neither_set_nor_loaded() {
    let (_server, mut db) = prepared();
    let dump: Vec<u8> = db.run("DUMP k");
    let [log, _] = payload::texts(&dump);
    let before = Before::of(&mut db);
    for text in odd_overrides() {
        let shown = text[..text.len().min(80)].escape_ascii();
        for key in [&b"k"[..], b"o", b"missing"] {
            let error = db.error([b"RL._APPLY", key, b"OVERRIDE", b"1700000000000", &text]);
            assert!(error.starts_with("ERR ") && error.len() < 300, "{shown}: {error}");
            for log in [log, b""] {
                let error = db.error([b"RL._APPLY", key, b"LOAD", log, &text]);
                assert!(error.starts_with("ERR payload is not a value"), "{shown}: {error}");
                assert!(error.len() < 300, "{shown}: {error}");
            }
        }
    }
    before.assert_unchanged(&mut db);
}

#[test]
fn an_invalid_log_is_not_loaded_with_or_without_an_override() {
    let (_server, mut db) = prepared();
    let dump: Vec<u8> = db.run("DUMP k");
    let [log, _] = payload::texts(&dump);
    let before = Before::of(&mut db);
    let longer = [log, b"\0"].concat();
    let payloads: [&[u8]; 7] =
        [b"\0", b"\x01", b"\xff", &[0; 1000], &[0xff; 1000], &log[..log.len() - 1], &longer];
    for payload in payloads {
        for (key, key_override) in
            [(&b"k"[..], &b""[..]), (b"missing", b""), (b"missing", b"DENY -1")]
        {
            let error = db.error([b"RL._APPLY", key, b"LOAD", payload, key_override]);
            assert!(error.starts_with("ERR payload is not a value"), "{error}");
        }
    }
    // An empty value is rejected, and so is an argument after the two texts.
    assert!(db.error(["RL._APPLY", "k", "LOAD", "", ""]).starts_with("ERR payload"));
    let error = db.error([&b"RL._APPLY"[..], b"k", b"LOAD", log, b"", b"more"]);
    assert_eq!(error, "ERR unexpected argument 'more'");
    before.assert_unchanged(&mut db);
}

#[test]
fn invalid_policies_change_nothing() {
    let (_server, mut db) = prepared();
    let before = Before::of(&mut db);
    let good = r#"{"name":"a","rules":[{"limit":1,"window":"1s"}]}"#;
    let texts = [
        String::new(),
        "\0".to_owned(),
        "{}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "1e999".to_owned(),
        good[1..].to_owned(),
        good[..good.len() - 1].to_owned(),
        format!("{good}{good}"),
        format!("{good}x"),
        good.replace("rules", "Rules"),
        good.replace(r#""name":"a","#, ""),
        good.replace(r#""name""#, r#""name":"b","name""#),
        good.replace(r#"{"name""#, r#"{"more":1,"name""#),
        good.replace(r#""a""#, r#""a*""#),
        good.replace(r#""a""#, r#""""#),
        good.replace(r#""a""#, &format!(r#""{}""#, "a".repeat(65))),
        good.replace(r#"[{"limit":1,"window":"1s"}]"#, "[]"),
        good.replace(
            r#"{"limit":1,"window":"1s"}"#,
            &[r#"{"limit":1,"window":"1s"}"#; 17].join(","),
        ),
        good.replace("1,", "00,"),
        good.replace("1,", "-1,"),
        good.replace("1,", "1.5,"),
        good.replace("1,", "4294967296,"),
        good.replace("1s", "0"),
        good.replace("1s", "1x"),
        good.replace("1s", "99999999999999ms"),
        good.replace(r#""1s""#, "1"),
        "[".repeat(1_000_000),
        r#"{"name":"#.repeat(100_000),
        format!(r#"{{"name":"{}"}}"#, "x".repeat(1_000_000)),
    ];
    for text in &texts {
        let all = [
            text.clone(),
            format!(r#"{{"policies":[{text}]}}"#),
            format!(r#"{{"policies":[{good},{text}]}}"#),
        ];
        let empty_list = text.is_empty();
        for (place, all) in all.iter().enumerate() {
            // An empty list is a valid document.
            if empty_list && place == 1 {
                continue;
            }
            let error = db.error(["RL._POLICY", "LOAD", all]);
            assert!(error.starts_with("ERR ") && error.len() < 400, "{all:.80}: {error}");
        }
        let error = db.error(["RL._POLICY", "SET", text]);
        assert!(error.starts_with("ERR ") && error.len() < 400, "{text:.80}: {error}");
    }
    let twice = format!(r#"{{"policies":[{good},{good}]}}"#);
    assert!(db.error(["RL._POLICY", "LOAD", &twice]).contains("'a'"), "a name given twice");
    for (word, text, named) in [("PUT", good, "PUT"), ("DEL", "a*", "a*"), ("DEL", "", "")] {
        let error = db.error(["RL._POLICY", word, text]);
        assert!(error.starts_with("ERR ") && error.contains(&format!("'{named}'")), "{error}");
    }
    before.assert_unchanged(&mut db);
    // The unmodified document is valid.
    db.run::<()>(["RL._POLICY", "SET", good]);
    assert_eq!(db.run::<Vec<String>>("RL.POLICY LIST"), ["a", "gold"]);
    db.run::<()>(["RL._POLICY", "LOAD", &format!(r#"{{"policies":[{good}]}}"#)]);
    assert_eq!(db.run::<Vec<String>>("RL.POLICY LIST"), ["a"]);
}
