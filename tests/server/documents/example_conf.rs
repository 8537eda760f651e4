//! Runs a server with `redis.conf.example`.

use crate::support::{Client, Server};

const EXAMPLE: &str = include_str!("../../../redis.conf.example");

/// Directives that a test's server sets itself.
const OWN: [&str; 2] = ["loadmodule ", "port "];

/// A setting of the module as the example shows it.
struct Setting {
    name: &'static str,
    default: &'static str,
    least: &'static str,
    most: &'static str,
}

/// Returns the module's settings, each with the range from the comment above it.
fn settings() -> Vec<Setting> {
    let mut range = None;
    let mut settings = Vec::new();
    for line in EXAMPLE.lines() {
        if let Some(said) = line.strip_prefix("# Range: ") {
            range = said.strip_suffix('.').and_then(|said| said.split_once(" to "));
        } else if line.starts_with("rl.") {
            let (name, default) = line.split_once(' ').expect("a setting has a value");
            let (least, most) = range.take().expect("the comment above has the range");
            settings.push(Setting { name, default, least, most });
        }
    }
    settings
}

fn value(db: &mut Client, name: &str) -> String {
    let (_, value): (String, String) = db.run(["CONFIG", "GET", name]);
    value
}

/// Returns `value` with its number changed by `step` and its unit unchanged.
fn next_to(value: &str, step: i64) -> String {
    let digits = value.trim_end_matches(char::is_alphabetic).len();
    let (number, unit) = value.split_at(digits);
    let number: i64 = number.parse().expect("a value starts with a number");
    format!("{}{unit}", number + step)
}

#[test]
fn the_example_has_the_defaults_of_all_settings() {
    let server = Server::start();
    let mut db = server.connect();
    let pairs: Vec<(String, String)> = db.run("CONFIG GET rl.*");
    let settings = settings();
    assert_eq!(settings.len(), pairs.len(), "{pairs:?}");
    for Setting { name, default, .. } in settings {
        assert_eq!(value(&mut db, name), default, "{name}");
    }
}

#[test]
fn the_example_has_the_ranges_of_all_settings() {
    let server = Server::start();
    let mut db = server.connect();
    for Setting { name, least, most, .. } in settings() {
        for bound in [least, most] {
            db.run::<()>(["CONFIG", "SET", name, bound]);
            assert_eq!(value(&mut db, name), bound, "{name}");
        }
        for beyond in [next_to(least, -1), next_to(most, 1)] {
            let error = db.error(["CONFIG", "SET", name, &beyond]);
            assert!(error.contains(name), "{name} {beyond}: {error}");
            assert_eq!(value(&mut db, name), most, "{name}");
        }
    }
}

#[test]
fn a_server_starts_with_the_example_and_enforces_limits() {
    let own = |line: &&str| OWN.iter().any(|start| line.starts_with(start));
    let is_setting = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let lines: Vec<_> = EXAMPLE.lines().filter(is_setting).filter(|line| !own(line)).collect();
    let server = Server::with(&lines);
    let mut db = server.connect();
    assert_eq!(value(&mut db, "appendonly"), "yes");
    for Setting { name, default, .. } in settings() {
        assert_eq!(value(&mut db, name), default, "{name}");
    }
    assert!(db.decide("RL.CHECK k 1 1m").allowed);
    assert!(!db.decide("RL.CHECK k 1 1m").allowed);
    assert!(db.error("RL._APPLY k RESET").starts_with("NOPERM"));
}
