//! The bytes of replies in both versions of the protocol.

use crate::support::{Raw, Server};

#[track_caller]
fn assert_reply(raw: &mut Raw, command: &str, expected: &str) {
    let words: Vec<_> = command.split(' ').map(str::as_bytes).collect();
    let reply = raw.exchange(&words);
    assert_eq!(
        reply.escape_ascii().to_string(),
        expected.as_bytes().escape_ascii().to_string(),
        "{command}"
    );
}

/// Opens a connection that uses this version. Returns it and the version's null.
fn connect(server: &Server, version: u8) -> (Raw, &'static str) {
    let mut raw = server.connect_raw();
    raw.exchange(&[b"HELLO", version.to_string().as_bytes()]);
    (raw, if version == 3 { "_\r\n" } else { "$-1\r\n" })
}

#[test]
fn a_decision_is_six_integers_in_both_protocols() {
    let server = Server::start();
    for version in [2, 3] {
        let (mut raw, _) = connect(&server, version);
        let key = format!("k{version}");
        assert_reply(
            &mut raw,
            &format!("RL.CHECK {key} 5 60"),
            "*6\r\n:1\r\n:5\r\n:4\r\n:0\r\n:60000\r\n:60000\r\n",
        );
        assert_reply(
            &mut raw,
            "RL.CHECK missing 5 1d COST 6",
            "*6\r\n:0\r\n:5\r\n:5\r\n:-1\r\n:0\r\n:86400000\r\n",
        );
        assert_reply(
            &mut raw,
            "RL.PEEK missing 1000000 366d",
            "*6\r\n:1\r\n:1000000\r\n:1000000\r\n:0\r\n:0\r\n:31622400000\r\n",
        );
    }
}

#[test]
fn counts_are_integers_in_both_protocols() {
    let server = Server::start();
    for version in [2, 3] {
        let (mut raw, _) = connect(&server, version);
        raw.exchange(&[b"RL.CHECK", b"k", b"50", b"60", b"COST", b"7"]);
        assert_reply(&mut raw, "RL.REFUND k COST 3", ":3\r\n");
        assert_reply(&mut raw, "RL.RESET k", ":4\r\n");
        assert_reply(&mut raw, "RL.RESET k", ":0\r\n");
        assert_reply(&mut raw, "RL.REFUND k", ":0\r\n");
    }
}

#[test]
fn hits_are_arrays_of_pairs_in_both_protocols() {
    let server = Server::start();
    let mut db = server.connect();
    let now = db.now_ms();
    db.record("k", 60_000, &[(now - 5000, 2), (now, 3)]);
    let earlier = now - 5000;
    for version in [2, 3] {
        let (mut raw, _) = connect(&server, version);
        let newest = format!("*2\r\n:{now}\r\n:3\r\n");
        let both = format!("*2\r\n{newest}*2\r\n:{earlier}\r\n:2\r\n");
        assert_reply(&mut raw, "RL.HITS k", &both);
        assert_reply(&mut raw, "RL.HITS k COUNT 1", &format!("*1\r\n{newest}"));
        assert_reply(&mut raw, "RL.HITS missing", "*0\r\n");
    }
}

#[test]
fn inspect_is_a_flat_array_or_a_map_or_null() {
    let server = Server::start();
    let mut db = server.connect();
    let now = db.now_ms();
    db.record("k", 60_000, &[(now - 5000, 2), (now, 3)]);
    let bytes: Vec<Option<String>> = db.run("RL.INSPECT k");
    let bytes = bytes[9].clone().expect("bytes are known");
    let earlier = now - 5000;
    for (version, head) in [(2, "*12"), (3, "%6")] {
        let (mut raw, null) = connect(&server, version);
        let expected = format!(
            "{head}\r\n$5\r\nunits\r\n:5\r\n$9\r\noldest_ms\r\n:{earlier}\r\n\
             $9\r\nnewest_ms\r\n:{now}\r\n$12\r\nretention_ms\r\n:60000\r\n\
             $5\r\nbytes\r\n:{bytes}\r\n$8\r\noverride\r\n{null}"
        );
        assert_reply(&mut raw, "RL.INSPECT k", &expected);
        assert_reply(&mut raw, "RL.INSPECT missing", null);
    }
}

#[test]
fn errors_are_errors_in_both_protocols() {
    let server = Server::start();
    server.connect().run::<()>("SET other v");
    for version in [2, 3] {
        let (mut raw, _) = connect(&server, version);
        assert_reply(
            &mut raw,
            "RL.CHECK k -1 60",
            "-ERR limit '-1' is not an integer from 0 to 1000000\r\n",
        );
        assert_reply(
            &mut raw,
            "RL.CHECK other 5 60",
            "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
        );
    }
}

#[test]
fn a_command_may_be_typed_inline() {
    let server = Server::start();
    let reply = server.connect_raw().exchange_bytes(b"rl.check k 5 60\r\n");
    assert_eq!(reply, b"*6\r\n:1\r\n:5\r\n:4\r\n:0\r\n:60000\r\n:60000\r\n");
}

#[test]
fn a_check_without_reply_is_counted() {
    let server = Server::start();
    let mut raw = server.connect_raw();
    let reply = raw.exchange_bytes(
        b"CLIENT REPLY SKIP\r\nRL.CHECK k 5 60\r\nCLIENT REPLY SKIP\r\nRL.CHECK k 5 60\r\n",
    );
    assert_eq!(reply, b"");
    assert_eq!(server.connect().units("k"), 2);
}
