//! Hostile documents for `RL.POLICY IMPORT`.

use crate::support::{Client, Server, policies, until};

/// Returns hostile texts that are not policies.
fn hostile_texts() -> Vec<(&'static str, Vec<u8>)> {
    let deep = |open: &str| open.repeat(100_000);
    let entry = |field: &str| format!(r#"{{"policies":[{{{field}"#);
    let long = "x".repeat(3_000_000);
    let good = r#"{"policies":[{"name":"b","rules":[{"limit":1,"window":"1s"}]}]}"#;
    let many = r#"{"name":"a","rules":[{"limit":1,"window":"1s"}]},"#.repeat(60_000);
    let texts = [
        ("EOF", String::new()),
        ("EOF", " ".into()),
        ("EOF", good[..good.len() - 1].into()),
        ("invalid type: null", "null".into()),
        ("invalid type: string", r#""policies""#.into()),
        ("missing field", "{}".into()),
        ("policies: invalid type", r#"{"policies":{}}"#.into()),
        ("policies: invalid type", r#"{"policies":"[]"}"#.into()),
        ("duplicate field", r#"{"policies":[],"policies":[]}"#.into()),
        ("more: unknown field", r#"{"policies":[],"more":1}"#.into()),
        ("trailing characters", format!("{good}]")),
        ("trailing characters", format!("{good}{good}")),
        ("trailing characters", format!("{good}\0")),
        ("expected", good.replace(':', "=")),
        ("invalid type: sequence", deep("[")),
        ("policies[0]: invalid type", format!(r#"{{"policies":{}"#, deep("["))),
        ("policies: invalid type", format!(r#"{{"policies":{}"#, deep(r#"{"policies":"#))),
        ("policies[0].policies: unknown", deep(r#"{"policies":["#)),
        ("policies[0].name: invalid type", entry(&format!(r#""name":{}"#, deep("[")))),
        ("policies[0].shadow: invalid type", entry(&format!(r#""shadow":{}"#, deep("[{")))),
        ("policies[0].rules[0]: invalid type", entry(&format!(r#""rules":{}"#, deep("[")))),
        ("policies[0].rules[0].limit: ", entry(&format!(r#""rules":[{{"limit":{}"#, deep("[")))),
        ("policies[0].rules[0].window: ", entry(&format!(r#""rules":[{{"window":{}"#, deep("[")))),
        ("policies[0].x: unknown field", entry(&format!(r#""x":{}"#, deep("[")))),
        (
            "policies[0].name: policy name 'xxx",
            entry(&format!(r#""name":"{long}","rules":[]}}]}}"#)),
        ),
        ("policies[0].xxx", entry(&format!(r#""{long}":1"#))),
        ("policies[0].rules: EOF", entry(&format!(r#""rules":"{long}"#))),
        ("policies[0].rules: invalid type: string", entry(&format!(r#""rules":"{long}""#))),
        (
            "policies[0].rules[0].limit: ",
            entry(&format!(r#""rules":[{{"limit":{}"#, "9".repeat(3_000_000))),
        ),
        (
            "policies[0].rules[0].window: ",
            entry(&format!(r#""name":"b","rules":[{{"limit":1,"window":"{long}"}}]}}]}}"#)),
        ),
        ("bytes are given, at most", " ".repeat(41_000_000)),
        ("", format!(r#"{{"policies":[{many}"#)),
        ("", format!(r#"{{"policies":[{}]}}"#, many.trim_end_matches(','))),
    ];
    let invalid = [
        ("policies[0].name: ", b"{\"policies\":[{\"name\":\"\xff\"".to_vec()),
        ("policies[0]", b"{\"policies\":[{\"\xc3\x28\":1".to_vec()),
        ("expected", vec![0xff; 100]),
        ("expected", vec![0; 1_000_000]),
        ("policies[0].name: ", br#"{"policies":[{"name":"\ud800"}]}"#.to_vec()),
    ];
    texts.into_iter().map(|(message, text)| (message, text.into_bytes())).chain(invalid).collect()
}

/// The processor time that the server has used, which other processes do not affect.
fn cpu_seconds(db: &mut Client) -> f64 {
    let seconds = |field| db.info(field).parse::<f64>().expect("a number of seconds");
    ["used_cpu_user", "used_cpu_sys"].map(seconds).iter().sum()
}

#[test]
fn hostile_texts_are_rejected_quickly_with_short_errors_and_change_nothing() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET p 5 1h");
    let before = policies(&mut db);
    let memory = db.info_number("used_memory");
    for (message, text) in hostile_texts() {
        let shown = text.iter().take(60).copied().collect::<Vec<_>>();
        let shown = shown.escape_ascii();
        let before = cpu_seconds(&mut db);
        let error = server.connect().error([&b"RL.POLICY"[..], b"IMPORT", &text]);
        let used = cpu_seconds(&mut db) - before;
        assert!(error.starts_with("ERR ") && error.contains(message), "{shown}: {error}");
        assert!(error.len() < 400, "{shown}: {} bytes of reply", error.len());
        assert!(used < 3.0, "{shown}: {used} s of the server's processor time");
    }
    assert_eq!(policies(&mut db), before);
    until("the memory is free again", || db.info_number("used_memory") < memory + 500_000);
}

#[test]
fn a_field_name_cannot_inject_a_reply() {
    let server = Server::start();
    let mut raw = server.connect_raw();
    for text in [
        &br#"{"a\r\n+OK\r\n":1}"#[..],
        br#"{"policies":[{"name":"\r\n+OK\r\n","rules":[]}]}"#,
        br#"{"policies":[{"x\n:1":1}]}"#,
        br#"{"policies":"\r\n$-1"}"#,
    ] {
        let reply = raw.exchange(&[b"RL.POLICY", b"IMPORT", text]);
        let shown = reply.escape_ascii().to_string();
        assert!(reply.starts_with(b"-ERR ") && reply.ends_with(b"\r\n"), "{shown}");
        let line = &reply[..reply.len() - 2];
        assert!(!line.contains(&b'\r') && !line.contains(&b'\n'), "{shown}");
    }
}
