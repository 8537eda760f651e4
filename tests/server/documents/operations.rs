//! Runs the shell commands of `docs/operations.md` on a cluster.

use std::process::Command;

use crate::support::{Client, Server, until};

const OPERATIONS: &str = include_str!("../../../docs/operations.md");
/// The page's addresses of a shard and of a node that will become one.
const SHARD: &str = "192.0.2.1";
const NEW: &str = "192.0.2.9";

const POLICIES: &str = r#"{"policies":[{"name":"api","rules":[{"limit":7,"window":"1m"}]}]}"#;

/// Starts two shards that know each other.
fn two_shards() -> [Server; 2] {
    let shards = [(); 2].map(|()| Server::with(&["cluster-enabled yes"]));
    let [mut one, mut other] = shards.each_ref().map(Server::connect);
    one.run::<()>("CLUSTER ADDSLOTSRANGE 0 8191");
    other.run::<()>("CLUSTER ADDSLOTSRANGE 8192 16383");
    other.run::<()>("CLUSTER SET-CONFIG-EPOCH 2");
    let (_, bus): (String, u16) = other.run("CONFIG GET cluster-port");
    one.run::<()>(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", shards[1].port()));
    for db in [&mut one, &mut other] {
        wait_for_nodes(db, 2);
    }
    shards
}

fn wait_for_nodes(db: &mut Client, nodes: usize) {
    until("the cluster is up", || {
        let info: String = db.run("CLUSTER INFO");
        info.contains("cluster_state:ok")
            && info.contains(&format!("cluster_known_nodes:{nodes}\r"))
    });
}

/// Runs `lines` in a shell, with the page's addresses replaced by those of `shard` and `new`. Returns the
/// output.
fn shell(lines: &str, shard: &Server, new: &Server) -> String {
    let script =
        [(SHARD, shard), (NEW, new)].iter().fold(lines.to_owned(), |script, (host, node)| {
            let port = node.port();
            let script = script.replace(&format!("{host}:6379"), &format!("127.0.0.1:{port}"));
            script.replace(&format!("-h {host}"), &format!("-p {port}"))
        });
    let output = Command::new("sh")
        .args(["-ec", &script])
        .current_dir(shard.path(""))
        .output()
        .expect("a shell runs");
    assert!(output.status.success(), "{script}{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_shell_commands_of_the_operations_page_show_equal_shards() {
    if Command::new("redis-cli").arg("--version").output().is_err() {
        println!("skipped: redis-cli is not installed");
        return;
    }
    let blocks: Vec<_> =
        OPERATIONS.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let [compare, join] = blocks[..] else { panic!("expected two blocks, got {blocks:?}") };
    let shards = two_shards();
    let new = Server::with(&["cluster-enabled yes"]);
    let run = |lines| shell(lines, &shards[0], &new);
    let exported = |server: &Server| server.connect().run::<String>("RL.POLICY EXPORT");

    shards[0].connect().run::<()>(["RL.POLICY", "IMPORT", POLICIES]);
    until("the other shard has the policies", || exported(&shards[1]) == POLICIES);
    let digest = shards[0].connect().info("rl_policies_digest");
    let output = run(compare);
    assert_eq!(output.matches(&digest).count(), 2, "{output}");
    for shard in &shards {
        assert!(output.contains(&format!("127.0.0.1:{}", shard.port())), "{output}");
    }

    run(join);
    until("the new node has the policies", || exported(&new) == POLICIES);
    wait_for_nodes(&mut new.connect(), 3);
}
