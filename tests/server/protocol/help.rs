//! `HELP`, to which the server's own errors point: `Try RL.POLICY HELP.`

use std::collections::BTreeSet;

use crate::support::{Client, Server};

const FAMILIES: [&str; 2] = ["RL.POLICY", "RL.OVERRIDE"];

fn lines(db: &mut Client, family: &str) -> Vec<String> {
    db.run(&format!("{family} HELP"))
}

/// Returns the first words of the lines that are not explanations.
fn listed_subcommands(lines: &[String]) -> BTreeSet<String> {
    let calls = lines.iter().skip(1).filter(|line| !line.starts_with(' '));
    calls.filter_map(|line| line.split(' ').next()).map(str::to_ascii_lowercase).collect()
}

/// Returns the subcommands that the server knows.
fn known_subcommands(db: &mut Client, family: &str) -> BTreeSet<String> {
    let commands: Vec<String> = db.run("COMMAND LIST FILTERBY MODULE rl");
    let prefix = format!("{}|", family.to_ascii_lowercase());
    let commands = commands.iter().map(|name| name.to_ascii_lowercase());
    commands.filter_map(|name| name.strip_prefix(&prefix).map(str::to_owned)).collect()
}

#[test]
fn help_lists_exactly_the_subcommands() {
    let server = Server::start();
    let mut db = server.connect();
    for family in FAMILIES {
        let listed = listed_subcommands(&lines(&mut db, family));
        assert!(listed.contains("set") && listed.contains("help"), "{family}: {listed:?}");
        assert_eq!(listed, known_subcommands(&mut db, family), "{family}");
    }
}

#[test]
fn help_has_the_layout_of_the_servers_own_commands() {
    let server = Server::start();
    let mut db = server.connect();
    let own = lines(&mut db, "OBJECT");
    for family in FAMILIES {
        let lines = lines(&mut db, family);
        assert_eq!(lines[0], own[0].replace("OBJECT", family));
        assert_eq!(lines[lines.len() - 2], "HELP");
        for pair in lines[1..].chunks(2) {
            assert!(!pair[0].starts_with(' '), "{pair:?}");
            assert!(pair[1].starts_with("    ") && pair[1].ends_with('.'), "{pair:?}");
        }
    }
}

#[test]
fn the_error_of_an_unknown_subcommand_points_to_help() {
    let server = Server::start();
    let mut db = server.connect();
    for family in FAMILIES {
        let error = db.error(&format!("{family} NOPE"));
        let hint = format!("Try {family} HELP.");
        assert!(error.to_ascii_uppercase().ends_with(&hint.to_ascii_uppercase()), "{error}");
        let error = db.error(&format!("{family} HELP more"));
        assert!(error.contains("wrong number of arguments"), "{error}");
        for line in lines(&mut db, family) {
            assert!(!line.contains(['\r', '\n']) && line.len() <= 120, "{line:?}");
        }
    }
}
