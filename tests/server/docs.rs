//! The examples in README and `docs/`, run as they stand.
//!
//! In a `console` block a line that starts with `> ` is a command, and what follows is its reply as
//! `redis-cli` prints it. Numbers of four digits and more are times, and compared as such.

use std::process::Command;

use redis::Value;

use crate::support::{Client, Server};

const COMMANDS: &str = include_str!("../../docs/commands.md");
const README: &str = include_str!("../../README.md");

/// Times may differ by as much, in milliseconds; instants since the epoch by more.
const TOLERANCE: u64 = 10_000;
const AN_INSTANT: u64 = 1_000_000_000_000;

#[test]
fn every_example_of_the_reference_gives_what_it_shows() {
    assert!(run_examples(COMMANDS) >= 15);
}

#[test]
fn every_example_of_the_readme_gives_what_it_shows() {
    assert!(run_examples(README) >= 3);
}

#[test]
fn the_python_of_the_readme_runs() {
    let Some(python) = std::env::var_os("RATELOG_PYTHON") else {
        println!("skipped: RATELOG_PYTHON names no Python with redis-py; `make test` sets one up");
        return;
    };
    let server = Server::start();
    let port = format!("redis.Redis(port={})", server.port());
    let [example] = blocks(README, "python")[..] else { panic!("one Python block") };
    let script =
        format!("{}\nprint(allowed, remaining)\n", example.replace("redis.Redis()", &port));
    let output = Command::new(python).arg("-c").arg(script).output().expect("Python runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1 99\n", "{output:?}");
}

/// Runs the examples on a new server. Returns how many there were.
fn run_examples(text: &str) -> usize {
    let server = Server::start();
    let mut db = server.connect();
    let mut examples = 0;
    for block in blocks(text, "console") {
        for example in block.split("> ").filter(|example| !example.is_empty()) {
            let (command, shown) = example.split_once('\n').expect("a reply after the command");
            let given = answer(&mut db, command);
            assert!(same(&given, shown), "{command}\nshown:\n{shown}\ngiven:\n{given}");
            examples += 1;
        }
    }
    examples
}

fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

fn answer(db: &mut Client, command: &str) -> String {
    match db.attempt::<Value>(command) {
        Ok(value) => shown(&value, ""),
        Err(error) => format!("(error) {error}\n"),
    }
}

/// A reply as `redis-cli` prints it.
fn shown(value: &Value, indent: &str) -> String {
    match value {
        Value::Nil => "(nil)\n".into(),
        Value::Int(number) => format!("(integer) {number}\n"),
        Value::Okay => "OK\n".into(),
        Value::SimpleString(text) => format!("{text}\n"),
        Value::BulkString(bytes) => format!("\"{}\"\n", bytes.escape_ascii()),
        Value::Array(values) if values.is_empty() => "(empty array)\n".into(),
        Value::Array(values) => {
            let width = values.len().to_string().len();
            let below = format!("{indent}{}", " ".repeat(width + 2));
            let line = |(index, value): (usize, &Value)| {
                let before = if index == 0 { "" } else { indent };
                format!("{before}{:>width$}) {}", index + 1, shown(value, &below))
            };
            values.iter().enumerate().map(line).collect()
        }
        other => panic!("no example gives {other:?}"),
    }
}

/// Whether two texts are the same but for the time that has passed between them.
fn same(given: &str, shown: &str) -> bool {
    let (given, shown): (Vec<_>, Vec<_>) =
        (given.split_whitespace().collect(), shown.split_whitespace().collect());
    given.len() == shown.len()
        && given.iter().zip(shown).all(|(given, shown)| same_word(given, shown))
}

fn same_word(given: &str, shown: &str) -> bool {
    match (given.parse::<u64>(), shown.parse::<u64>()) {
        (Ok(given), Ok(shown)) if given >= AN_INSTANT && shown >= AN_INSTANT => true,
        (Ok(given), Ok(shown)) if given >= 500 && shown >= 1_000 => {
            given.abs_diff(shown) < TOLERANCE
        }
        _ => given == shown,
    }
}

#[test]
fn the_comparison_sees_what_differs() {
    assert!(same("1) (integer) 9998\n", "1) (integer) 10000\n"));
    assert!(!same("1) (integer) 0\n", "1) (integer) 10000\n"));
    assert!(!same("1) (integer) 3\n", "1) (integer) 4\n"));
    assert!(!same("1) (integer) 99998\n", "1) (integer) 10000\n"));
    assert!(!same("(nil)\n", "(integer) 1\n"));
    assert!(!same("(integer) 1\n", "(integer) 1\n2) (integer) 2\n"));
}
