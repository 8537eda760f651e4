//! ACL rules for the module's commands.

use crate::support::{Client, Decision, Server};

const READS: &str = "rl.explain rl.hits rl.inspect rl.override|get rl.override|list rl.peek \
    rl.policy|export rl.policy|get rl.policy|list rl.policy|sync rl.stats rl.top";
const WRITES: &str = "rl.check rl.mcheck rl.override|del rl.override|set rl.policy|del \
    rl.policy|import rl.policy|set rl.refund rl.reset";
const HELP: &str = "rl.override|help rl.policy|help";
const FAMILIES: &str = "rl.override rl.policy";
const INTERNAL: [&str; 3] = ["rl._apply", "rl._policy", "rl._record"];

/// Returns the words of all lists, sorted.
fn words(lists: &[&str]) -> Vec<String> {
    let mut words: Vec<_> =
        lists.iter().flat_map(|list| list.split(' ')).map(str::to_owned).collect();
    words.sort();
    words
}

/// Connects as a user with these rights.
fn user(server: &Server, rights: &str) -> Client {
    let mut db = server.connect();
    db.run::<()>(&format!("ACL SETUSER app reset on nopass {rights}"));
    db.run::<()>("AUTH app any");
    db
}

#[track_caller]
fn assert_rejected(db: &mut Client, command: &str) {
    let error = db.error(command);
    assert!(error.starts_with("NOPERM"), "{command}: {error}");
}

#[test]
fn a_user_can_run_only_the_commands_granted() {
    let server = Server::start();
    let mut app = user(&server, "~* +rl.check +rl.peek");
    assert!(app.decide("RL.CHECK k 5 60").allowed);
    assert!(app.decide("RL.PEEK k 5 60").allowed);
    for command in [
        "RL.RESET k",
        "RL.REFUND k",
        "RL.EXPLAIN k 5 60",
        "RL.INSPECT k",
        "RL.HITS k",
        "RL._APPLY k RESET",
        "RL._RECORD 1700000000000 1 k 60000",
        "RL._POLICY DEL gold",
        "RL.MCHECK 1 k 5 60",
        "RL.OVERRIDE GET k",
        "RL.POLICY LIST",
        "RL.STATS",
        "RL.TOP DENIED",
    ] {
        assert_rejected(&mut app, command);
    }
    assert_eq!(server.connect().units("k"), 1);
}

#[test]
fn a_user_can_access_only_its_own_keys() {
    let server = Server::start();
    let mut app =
        user(&server, "~app:* +rl.check +rl.peek +rl.hits +rl.mcheck +rl.override +rl._record");
    assert!(app.decide("RL.CHECK app:k 5 60").allowed);
    app.run::<Vec<Decision>>("RL.MCHECK 1 app:k 5 60 app:l 5 60");
    for command in [
        "RL.CHECK k 5 60",
        "RL.PEEK k 5 60",
        "RL.HITS k",
        "RL.MCHECK 1 k 5 60",
        "RL.MCHECK 1 app:k 5 60 app:l 5 60 k 5 60",
        "RL.OVERRIDE SET k DENY",
        "RL.OVERRIDE DEL k",
        "RL.OVERRIDE GET k",
        "RL._RECORD 1700000000000 1 app:k 60000 k 60000",
    ] {
        assert_rejected(&mut app, command);
    }
    assert_eq!(server.connect().units("app:k"), 2);
}

#[test]
fn a_user_with_read_access_can_peek_and_cannot_check() {
    let server = Server::start();
    let mut app = user(
        &server,
        "%R~* +rl.check +rl.peek +rl.hits +rl.inspect +rl.reset +rl.refund +rl._apply +rl._record \
         +rl.mcheck +rl.override",
    );
    assert!(app.decide("RL.PEEK k 5 60").allowed);
    app.run::<redis::Value>("RL.HITS k");
    app.run::<redis::Value>("RL.INSPECT k");
    app.run::<redis::Value>("RL.OVERRIDE GET k");
    for command in [
        "RL.CHECK k 5 60",
        "RL.MCHECK 1 k 5 60",
        "RL.RESET k",
        "RL.REFUND k",
        "RL.OVERRIDE SET k DENY",
        "RL.OVERRIDE DEL k",
        "RL._APPLY k RESET",
        "RL._RECORD 1700000000000 1 k 60000",
    ] {
        assert_rejected(&mut app, command);
    }
}

#[test]
fn the_public_commands_have_a_category_of_their_own() {
    let server = Server::start();
    if !server.server_version().has_7_2_features() {
        println!("skipped: this server has no ACL categories for modules");
        return;
    }
    let mut db = server.connect();
    let mut category = |name: &str| {
        let mut names: Vec<String> = db.run(["ACL", "CAT", name]);
        for name in &mut names {
            name.make_ascii_lowercase();
        }
        names.retain(|name| name.starts_with("rl."));
        names.sort();
        names
    };
    assert_eq!(category("ratelog"), words(&[READS, WRITES, HELP, FAMILIES]));
    assert_eq!(category("read"), words(&[READS]));
    assert_eq!(category("write"), words(&[WRITES, &INTERNAL.join(" ")]));
    for guarded in ["dangerous", "admin"] {
        assert_eq!(category(guarded), INTERNAL, "{guarded}");
    }
    // Every command is in one of the two categories, like the server's own commands, so a rule that removes one
    // category leaves the other.
    let halves = [category("fast"), category("slow")].concat();
    let mut both = words(&[&halves.join(" ")]);
    both.retain(|name| !INTERNAL.contains(&name.as_str()) && !FAMILIES.contains(name.as_str()));
    assert_eq!(both, words(&[READS, WRITES, HELP]));
}

#[test]
fn the_category_grants_the_public_commands_and_not_the_internal_ones() {
    let server = Server::start();
    if !server.server_version().has_7_2_features() {
        println!("skipped: this server has no ACL categories for modules");
        return;
    }
    let mut app = user(&server, "~* +@ratelog");
    assert!(app.decide("RL.CHECK k 5 60").allowed);
    assert_eq!(app.run::<i64>("RL.REFUND k"), 1);
    let internal = ["RL._APPLY k RESET", "RL._RECORD 1 1 k 60000", "RL._POLICY DEL gold"];
    for command in internal {
        assert_rejected(&mut app, command);
    }
    let mut app = user(&server, "~* +@all -@dangerous");
    assert!(app.decide("RL.CHECK k 5 60").allowed);
    for command in internal {
        assert_rejected(&mut app, command);
    }
}
