//! The module's settings: in `CONFIG`, in the configuration file, and as arguments of `loadmodule`.

use std::collections::BTreeMap;

use crate::support::{Client, Module, Server, Stop, assert_same_dataset, until};

/// Returns the current values of all module settings.
fn settings(db: &mut Client) -> BTreeMap<String, String> {
    db.run("CONFIG GET rl.*")
}

fn setting(db: &mut Client, name: &str) -> String {
    settings(db)[name].clone()
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let server = Server::start();
    let expected = [
        ("rl.max-keys", "1024"),
        ("rl.max-limit", "1000000"),
        ("rl.max-policies", "10000"),
        ("rl.max-window", "366d"),
        ("rl.top-k", "64"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(settings(&mut server.connect()), BTreeMap::from(expected));
}

#[test]
fn a_setting_applies_to_the_next_command_and_survives_a_rewrite_and_a_restart() {
    let mut server = Server::start();
    let mut db = server.connect();
    db.run::<()>(
        "CONFIG SET rl.max-limit 5000000 rl.max-window 88200 rl.max-policies 7 rl.top-k 3",
    );
    assert!(db.decide("RL.CHECK k 5000000 24h COST 3000000").allowed);
    assert_eq!(
        db.error("RL.CHECK k 5000001 24h"),
        "ERR limit '5000001' is not an integer from 0 to 5000000"
    );
    // The error shows the window in its largest unit.
    assert!(db.error("RL.CHECK k 5 25h").ends_with("at most 1470m"));
    assert_eq!(setting(&mut db, "rl.max-window"), "1470m");
    for key in 0..9 {
        db.decide(&format!("RL.CHECK key:{key} 5 1h"));
    }
    assert_eq!(db.run::<Vec<redis::Value>>("RL.TOP CHECKED").len(), 3);
    let before = settings(&mut db);
    db.run::<()>("CONFIG REWRITE");
    server.restart(Stop::NoSave);
    let mut db = server.connect();
    assert_eq!(settings(&mut db), before);
    // A rewrite also writes a value that was set back to the default.
    db.run::<()>("CONFIG SET rl.max-limit 1000000 rl.max-window 366d");
    db.run::<()>("CONFIG REWRITE");
    server.restart(Stop::NoSave);
    let mut db = server.connect();
    assert_eq!(setting(&mut db, "rl.max-limit"), "1000000");
    assert_eq!(setting(&mut db, "rl.max-window"), "366d");
    assert_eq!(setting(&mut db, "rl.max-policies"), "7");
}

#[test]
fn a_bad_value_is_rejected_with_its_reason_and_changes_nothing() {
    let server = Server::start();
    let mut db = server.connect();
    let before = settings(&mut db);
    for (setting, value, message) in [
        ("rl.max-limit", "0", "between 1 and 4294967295"),
        ("rl.max-limit", "-1", "between 1 and 4294967295"),
        ("rl.max-limit", "4294967296", "between 1 and 4294967295"),
        ("rl.max-limit", "many", "integer"),
        ("rl.max-limit", "1.5", "integer"),
        ("rl.max-limit", "", "integer"),
        ("rl.max-policies", "-1", "between 0 and 100000"),
        ("rl.max-policies", "100001", "between 0 and 100000"),
        ("rl.top-k", "-1", "between 0 and 1000"),
        ("rl.top-k", "1001", "between 0 and 1000"),
        ("rl.max-window", "0", "window '0' is not a positive integer with a unit"),
        ("rl.max-window", "1y", "window '1y' is not a positive integer with a unit"),
        ("rl.max-window", "", "window '' is not a positive integer with a unit"),
        ("rl.max-window", "3661d", "at most 3660d"),
        ("rl.max-window", "99999999999999999999d", "at most 3660d"),
    ] {
        // A valid setting is rejected together with an invalid one.
        let good = if setting == "rl.top-k" { "rl.max-policies" } else { "rl.top-k" };
        let error = db.error(["CONFIG", "SET", good, "9", setting, value]);
        assert!(error.contains(setting) && error.contains(message), "{setting} {value}: {error}");
        assert_eq!(settings(&mut db), before, "{setting} {value}");
    }
    for (setting, value) in [
        ("rl.max-limit", "1"),
        ("rl.max-limit", "4294967295"),
        ("rl.max-window", "1ms"),
        ("rl.max-window", "3660d"),
        ("rl.max-policies", "0"),
        ("rl.max-policies", "100000"),
        ("rl.top-k", "0"),
        ("rl.top-k", "1000"),
    ] {
        db.run::<()>(["CONFIG", "SET", setting, value]);
        assert_eq!(settings(&mut db)[setting], value);
    }
}

#[test]
fn arguments_of_loadmodule_are_settings_with_and_without_their_prefix() {
    let arguments = "max-limit 5 rl.max-window 2h RL.Max-Policies 3 TOP-K 0";
    let mut server = Server::configured(Module::LoadedWith(arguments), &[]);
    for _ in 0..2 {
        let mut db = server.connect();
        let all: Vec<_> = settings(&mut db).into_values().collect();
        assert_eq!(all, ["1024", "5", "3", "2h", "0"]);
        assert!(db.error("RL.CHECK k 6 1h").ends_with("from 0 to 5"));
        db.run::<()>("CONFIG REWRITE");
        server.restart(Stop::NoSave);
    }
    let server = Server::configured(Module::LoadedWith("max-limit 5 max-limit 6"), &[]);
    assert_eq!(setting(&mut server.connect(), "rl.max-limit"), "6", "the last value counts");
}

#[test]
fn the_configuration_file_overrides_the_arguments_of_loadmodule() {
    let lines = ["rl.max-limit 50", "rl.max-window 3h"];
    let arguments = Module::LoadedWith("max-limit 5 max-window 1h top-k 7");
    let mut server = Server::configured(arguments, &lines);
    let mut db = server.connect();
    let configured = |db: &mut Client| {
        ["rl.max-limit", "rl.max-window", "rl.top-k"].map(|name| setting(db, name))
    };
    assert_eq!(configured(&mut db), ["50", "3h", "7"]);
    // A rewrite also writes a value that equals the argument or the default.
    for (limit, window) in [("5", "1h"), ("1000000", "366d"), ("60", "90m")] {
        db.run::<()>(&format!("CONFIG SET rl.max-limit {limit} rl.max-window {window}"));
        db.run::<()>("CONFIG REWRITE");
        server.restart(Stop::NoSave);
        db = server.connect();
        assert_eq!(configured(&mut db), [limit, window, "7"]);
    }
}

#[test]
fn a_bad_argument_stops_the_start_with_a_reason() {
    let integer = |name: &str, given: &str, range: &str| {
        format!("ratelog cannot be loaded: {name} '{given}' is not an integer from {range}")
    };
    for (arguments, message) in [
        (
            "nope 5",
            "ratelog cannot be loaded: unknown setting 'nope': expected one of max-limit, \
             max-keys, max-policies, top-k, max-window"
                .to_owned(),
        ),
        ("rl.rl.top-k 5", "unknown setting 'rl.rl.top-k'".into()),
        ("max-limit", "ratelog cannot be loaded: 'max-limit' has no value".into()),
        ("top-k 5 rl.max-window", "'rl.max-window' has no value".into()),
        ("max-limit 0", integer("max-limit", "0", "1 to 4294967295")),
        ("max-limit 4294967296", integer("max-limit", "4294967296", "1 to 4294967295")),
        ("max-limit -1", integer("max-limit", "-1", "1 to 4294967295")),
        ("max-policies 100001", integer("max-policies", "100001", "0 to 100000")),
        ("top-k many", integer("top-k", "many", "0 to 1000")),
        ("max-window 1y", "ratelog cannot be loaded: window '1y' is not a positive integer".into()),
        ("max-window 3661d", "at most 3660d".into()),
    ] {
        let log = Server::refused(Module::LoadedWith(arguments), &[]);
        assert!(log.contains(&message), "{arguments}: {log}");
    }
}

#[test]
fn a_bad_configuration_line_stops_the_start_with_a_reason() {
    for (line, message) in [
        ("rl.max-limit 0", "between 1 and 4294967295"),
        ("rl.max-limit many", "rl.max-limit"),
        ("rl.top-k 1001", "between 0 and 1000"),
        ("rl.max-policies -1", "between 0 and 100000"),
        ("rl.max-window 1y", "window '1y' is not a positive integer"),
        ("rl.max-window 3661d", "at most 3660d"),
        ("rl.nope 5", "onfiguration"),
    ] {
        let log = Server::refused(Module::Loaded, &[line]);
        assert!(log.contains(message), "{line}: {log}");
    }
}

/// Starts a server that can load a module at run time.
fn with_module_command() -> Server {
    Server::configured(Module::Absent, &["enable-module-command yes"])
}

fn load(db: &mut Client, more: &str) -> Result<(), String> {
    let path = Server::module_path();
    db.attempt(&format!("MODULE LOADEX {path} {more}"))
}

#[test]
fn a_running_server_loads_the_module_with_settings() {
    let server = with_module_command();
    let mut db = server.connect();
    load(&mut db, "CONFIG rl.max-limit 50 CONFIG rl.max-window 2h ARGS rl.top-k 7 max-limit 5")
        .expect("the module is loaded");
    let all: Vec<_> = settings(&mut db).into_values().collect();
    assert_eq!(all, ["1024", "50", "10000", "2h", "7"]);
    assert!(db.decide("RL.CHECK k 50 2h").allowed);
}

#[test]
fn a_server_survives_a_failed_load_and_can_load_the_module_later() {
    let server = with_module_command();
    let mut db = server.connect();
    for (more, message) in [
        ("ARGS nope 5", "unknown setting 'nope'"),
        ("ARGS max-limit", "'max-limit' has no value"),
        ("ARGS top-k 1001", "top-k '1001' is not an integer from 0 to 1000"),
        ("CONFIG rl.max-limit 0", "between 1 and 4294967295"),
        ("CONFIG rl.max-window 1y", "window '1y' is not"),
    ] {
        let error = load(&mut db, more).unwrap_err();
        assert!(error.contains("Error loading the extension"), "{more}: {error}");
        until("the reason is logged", || server.log().contains(message));
        // Trigger every event that a loaded module receives. None of them may reach a module that failed to
        // load.
        db.run::<()>("SET key value");
        db.run::<()>("BGSAVE");
        until("the snapshot is written", || db.info("rdb_bgsave_in_progress") == "0");
        db.run::<()>("SWAPDB 0 1");
        db.run::<()>("DEBUG RELOAD");
        db.run::<()>("FLUSHALL");
        let replica = Server::configured(Module::Absent, &[]);
        server.follow(&replica);
        db.run::<()>("REPLICAOF NO ONE");
    }
    load(&mut db, "ARGS max-limit 5").expect("the module is loaded");
    assert_eq!(setting(&mut db, "rl.max-limit"), "5");
    assert_eq!(setting(&mut db, "rl.max-window"), "366d");
    assert!(db.decide("RL.CHECK k 5 1h").allowed);
    db.run::<()>("DEBUG RELOAD");
    assert_eq!(db.units("k"), 1);
}

#[test]
fn lowered_bounds_do_not_change_existing_values() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET p 500 48h");
    db.run::<()>("RL.POLICY SET q 2 48h");
    db.run::<()>("RL.OVERRIDE SET vip LIMIT 900 300d");
    db.decide("RL.CHECK k 900 300d COST 400");
    let before = (db.digest(), db.run::<String>("RL.POLICY EXPORT"));
    for db in [&mut db, &mut replica.connect()] {
        db.run::<()>("CONFIG SET rl.max-limit 10 rl.max-window 1h rl.max-policies 1");
    }
    db.run::<()>("DEBUG RELOAD");
    assert_eq!((db.digest(), db.run::<String>("RL.POLICY EXPORT")), before);
    assert!(db.error("RL.CHECK k 900 1h").starts_with("ERR limit '900'"));
    assert_eq!(db.decide("RL.CHECK k POLICY p").remaining, 99);
    assert_eq!(db.decide("RL.CHECK vip 10 1h").limit, 900);
    assert_eq!(db.units("k"), 401);
    assert_same_dataset(&server, &replica);
    let other = Server::with(&["rl.max-limit 10", "rl.max-window 1h", "rl.max-policies 1"]);
    other.follow(&server);
    assert_same_dataset(&server, &other);
    assert_eq!(other.connect().run::<String>("RL.POLICY EXPORT"), before.1);
}
