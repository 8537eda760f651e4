//! Who may run what.

use crate::support::{Client, Server};

const PUBLIC: [&str; 6] = ["rl.check", "rl.hits", "rl.inspect", "rl.peek", "rl.refund", "rl.reset"];

/// A connection of a user with these rights.
fn user(server: &Server, rights: &str) -> Client {
    let mut db = server.connect();
    db.run::<()>(&format!("ACL SETUSER app reset on nopass {rights}"));
    db.run::<()>("AUTH app any");
    db
}

#[track_caller]
fn assert_refused(db: &mut Client, command: &str) {
    let error = db.error(command);
    assert!(error.starts_with("NOPERM"), "{command}: {error}");
}

#[test]
fn a_user_runs_the_commands_it_was_given_and_no_other() {
    let server = Server::start();
    let mut app = user(&server, "~* +rl.check +rl.peek");
    assert!(app.decide("RL.CHECK k 5 60").allowed);
    assert!(app.decide("RL.PEEK k 5 60").allowed);
    for command in [
        "RL.RESET k",
        "RL.REFUND k",
        "RL.INSPECT k",
        "RL.HITS k",
        "RL._APPLY k RESET",
        "RL._APPLY k RECORD 1700000000000 1 60000",
    ] {
        assert_refused(&mut app, command);
    }
    assert_eq!(server.connect().units("k"), 1);
}

#[test]
fn a_user_reaches_its_own_keys_and_no_other() {
    let server = Server::start();
    let mut app = user(&server, "~app:* +rl.check +rl.peek +rl.hits");
    assert!(app.decide("RL.CHECK app:k 5 60").allowed);
    for command in ["RL.CHECK k 5 60", "RL.PEEK k 5 60", "RL.HITS k"] {
        assert_refused(&mut app, command);
    }
}

#[test]
fn a_user_who_may_only_read_a_key_peeks_and_does_not_check() {
    let server = Server::start();
    let mut app = user(
        &server,
        "%R~* +rl.check +rl.peek +rl.hits +rl.inspect +rl.reset +rl.refund +rl._apply",
    );
    assert!(app.decide("RL.PEEK k 5 60").allowed);
    app.run::<redis::Value>("RL.HITS k");
    app.run::<redis::Value>("RL.INSPECT k");
    for command in
        ["RL.CHECK k 5 60", "RL.RESET k", "RL.REFUND k", "RL._APPLY k RECORD 1700000000000 1 60000"]
    {
        assert_refused(&mut app, command);
    }
}

#[test]
fn the_public_commands_have_a_category_of_their_own() {
    let server = Server::start();
    if !server.edition().has_7_2_features() {
        println!("skipped: this server has no ACL categories for modules");
        return;
    }
    let mut db = server.connect();
    let mut category = |name: &str| {
        let mut names: Vec<String> = db.run(["ACL", "CAT", name]);
        for name in &mut names {
            name.make_ascii_lowercase();
        }
        names.sort();
        names
    };
    assert_eq!(category("ratelog"), PUBLIC);
    for guarded in ["dangerous", "admin"] {
        let names = category(guarded);
        assert!(names.contains(&"rl._apply".to_owned()), "{guarded}");
        assert!(PUBLIC.iter().all(|name| !names.contains(&(*name).into())));
    }
    for (name, members) in
        [("write", "rl.check rl.refund rl.reset rl._apply"), ("read", "rl.peek rl.hits rl.inspect")]
    {
        let names = category(name);
        for member in members.split(' ') {
            assert!(names.contains(&member.to_owned()), "{member} in {name}");
        }
    }
}

#[test]
fn the_category_grants_the_public_commands_and_not_the_internal_one() {
    let server = Server::start();
    if !server.edition().has_7_2_features() {
        println!("skipped: this server has no ACL categories for modules");
        return;
    }
    let mut app = user(&server, "~* +@ratelog");
    assert!(app.decide("RL.CHECK k 5 60").allowed);
    assert_eq!(app.run::<i64>("RL.REFUND k"), 1);
    assert_refused(&mut app, "RL._APPLY k RESET");
    let mut app = user(&server, "~* +@all -@dangerous");
    assert!(app.decide("RL.CHECK k 5 60").allowed);
    assert_refused(&mut app, "RL._APPLY k RESET");
}
