//! Runs the examples in README and `docs/` unchanged.
//!
//! In a `console` block, a line that starts with `> ` is a command, and the lines below it are its reply as
//! `redis-cli` prints it. Numbers of four or more digits are times and are compared with a tolerance. A word
//! may be in single quotes, as in a shell.

use redis::Value;

use crate::support::{Client, Server};

const COMMANDS: &str = include_str!("../../../docs/commands.md");
const OPERATIONS: &str = include_str!("../../../docs/operations.md");
const QUICKSTART: &str = include_str!("../../../docs/quickstart.md");
const README: &str = include_str!("../../../README.md");

/// The tolerance for times in milliseconds. Instants since the epoch have a larger one.
const TOLERANCE: u64 = 10_000;
const AN_INSTANT: u64 = 1_000_000_000_000;

/// The counts of `RL.TOP` are halved when a minute begins.
const MINUTE: i64 = 60_000;

#[test]
fn every_example_of_the_command_reference_is_true() {
    assert!(run_examples(COMMANDS) >= 50);
}

#[test]
fn every_example_of_the_readme_is_true() {
    assert!(run_examples(README) >= 3);
}

#[test]
fn every_example_of_the_operations_page_is_true() {
    assert!(run_examples(OPERATIONS) >= 5);
}

#[test]
fn every_example_of_the_quickstart_is_true() {
    assert!(run_examples(QUICKSTART) >= 2);
}

/// Runs the examples on a new server, and on another one if a minute began in the meantime. Returns the number
/// of examples.
fn run_examples(text: &str) -> usize {
    loop {
        let server = Server::start();
        let mut db = server.connect();
        let began = db.now_ms() / MINUTE;
        match try_examples(&mut db, text) {
            Ok(examples) => return examples,
            Err(difference) => assert_ne!(db.now_ms() / MINUTE, began, "{difference}"),
        }
    }
}

/// Returns the number of examples, or the first difference from a shown reply.
fn try_examples(db: &mut Client, text: &str) -> Result<usize, String> {
    let mut examples = 0;
    // The tests of the Python package run the shell's examples.
    for block in blocks(text, "console").into_iter().filter(|block| block.starts_with("> ")) {
        for example in block.split("> ").filter(|example| !example.is_empty()) {
            let (command, shown) = example.split_once('\n').expect("a reply follows the command");
            let given = answer(db, command);
            if !same(&given, shown) {
                return Err(format!("{command}\nshown:\n{shown}\ngiven:\n{given}"));
            }
            examples += 1;
        }
    }
    Ok(examples)
}

fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

fn answer(db: &mut Client, command: &str) -> String {
    match db.attempt::<Value>(words(command)) {
        // `redis-cli` prints this reply unchanged.
        Ok(Value::BulkString(text)) if command.starts_with("INFO ") => {
            String::from_utf8(text).expect("INFO is text")
        }
        Ok(value) => shown(&value, ""),
        Err(error) => format!("(error) {error}\n"),
    }
}

/// Splits a command into words, as a shell does.
fn words(command: &str) -> Vec<Vec<u8>> {
    let parts = command.split('\'').enumerate();
    let words = parts.flat_map(|(index, part)| match index % 2 {
        0 => part.split_whitespace().map(Into::into).collect(),
        _ => vec![part.into()],
    });
    words.collect()
}

/// Formats a reply as `redis-cli` prints it.
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
        other => panic!("no example returns {other:?}"),
    }
}

/// Returns whether two texts are equal, apart from the time that passed between them.
fn same(given: &str, shown: &str) -> bool {
    let (given, shown): (Vec<_>, Vec<_>) =
        (given.split_whitespace().collect(), shown.split_whitespace().collect());
    given.len() == shown.len()
        && given.iter().zip(shown).all(|(given, shown)| same_word(given, shown))
}

fn same_word(given: &str, shown: &str) -> bool {
    if let (Some((name, given)), Some((field, shown))) =
        (given.split_once(':'), shown.split_once(':'))
    {
        return name == field && same_word(given, shown);
    }
    match (given.parse::<u64>(), shown.parse::<u64>()) {
        (Ok(given), Ok(shown)) if given >= AN_INSTANT && shown >= AN_INSTANT => true,
        (Ok(given), Ok(shown)) if given >= 500 && shown >= 1_000 => {
            given.abs_diff(shown) < TOLERANCE
        }
        _ => given == shown,
    }
}

#[test]
fn the_comparison_detects_differences() {
    assert!(same("1) (integer) 9998\n", "1) (integer) 10000\n"));
    assert!(!same("1) (integer) 0\n", "1) (integer) 10000\n"));
    assert!(!same("1) (integer) 3\n", "1) (integer) 4\n"));
    assert!(!same("1) (integer) 99998\n", "1) (integer) 10000\n"));
    assert!(same("rl_monitor_bytes:43000\n", "rl_monitor_bytes:43648\n"));
    assert!(!same("rl_checks:1\n", "rl_checks:2\n"));
    assert!(!same("rl_checks:1\n", "rl_denied:1\n"));
    assert!(!same("(nil)\n", "(integer) 1\n"));
    assert!(!same("(integer) 1\n", "(integer) 1\n2) (integer) 2\n"));
}

#[test]
fn quotes_group_words() {
    assert_eq!(words("SET  a 'b \"c\" d' e"), ["SET", "a", "b \"c\" d", "e"].map(Vec::from));
}
