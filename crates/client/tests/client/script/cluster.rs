//! The script in a cluster: every log is in the slot of its key.

use ratelog_client::script::{check, load, mcheck, peek, refund, reset};
use ratelog_client::{Checks, Commands, Error};
use ratelog_test_support::{Cluster, Module};

use super::log::name;
use super::{cost, rules};
use crate::commands::cluster_client;

const HOUR: u64 = 3_600_000;

#[test]
fn keys_of_every_shard_can_be_checked_and_several_in_one_slot() {
    let cluster = Cluster::configured(Module::Absent, 3, 0, &[]);
    let mut db = cluster_client(&cluster).get_connection().unwrap();
    db.rl_query(&load()).unwrap();

    let two = rules([(2, HOUR)]);
    for key in (0..30).map(|number| format!("user:{number}")) {
        let left = |decision: ratelog_client::Decision| decision.remaining();
        assert_eq!(left(db.rl_query(&check(&key, &two).unwrap()).unwrap()), 1);
        assert_eq!(left(db.rl_query(&peek(&key, &two).unwrap()).unwrap()), 1);
        assert_eq!(db.rl_query(&refund(&key, cost(1))).unwrap(), 1);
        assert_eq!(db.rl_query(&reset(&key)).unwrap(), 0);
    }

    let tagged = Checks::new(cost(2), "user:{42}", two.first()).and("ip:{42}", two.first());
    let allowed = |db: &mut redis::cluster::ClusterConnection| {
        let decisions = db.rl_query(&mcheck(&tagged).unwrap()).unwrap();
        decisions.iter().map(ratelog_client::Decision::allowed).collect::<Vec<_>>()
    };
    assert_eq!(allowed(&mut db), [true, true]);
    assert_eq!(allowed(&mut db), [false, false]);
    assert_eq!(cluster.slot_of(&name("user:{42}")), cluster.slot_of("user:{42}"));

    let apart = Checks::new(cost(1), "a", two.first()).and("b", two.first());
    match db.rl_query(&mcheck(&apart).unwrap()) {
        Err(Error::Redis(error)) => assert_eq!(error.code(), Some("CROSSSLOT")),
        other => panic!("{other:?}"),
    }
}
