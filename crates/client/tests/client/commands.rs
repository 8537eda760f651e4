//! Every typed command on every kind of connection.

use std::time::{Duration, SystemTime};

use ratelog_client::command::{Command, HitsOptions, ListOptions, Override, Ranking};
use ratelog_client::{
    Action, AsyncCommands, Check, Checks, Commands, Cost, DecidedBy, Decision, Error, Mode, Policy,
    Source,
};
use ratelog_test_support::{Cluster, Server};

use crate::support::{connection, policy_name, rule, rules};

/// A blocking connection behind the asynchronous trait, so that the same test covers both.
struct Blocking<C>(C);

impl<C: Commands + Send> AsyncCommands for Blocking<C> {
    async fn rl_query<T: Send>(&mut self, command: &Command<T>) -> Result<T, Error> {
        self.0.rl_query(command)
    }
}

fn client(server: &Server) -> redis::Client {
    redis::Client::open(("127.0.0.1", server.port())).unwrap()
}

/// A client of the `redis` crate. Its default timeout of a second for connections is too short on a busy machine.
pub fn cluster_client(cluster: &Cluster) -> redis::cluster::ClusterClient {
    let url = format!("redis://127.0.0.1:{}/", cluster[0].port());
    let timeout = ratelog_test_support::scaled_timeout(Duration::from_secs(40));
    redis::cluster::ClusterClient::builder([url]).connection_timeout(timeout).build().unwrap()
}

#[tokio::test]
async fn a_blocking_connection_has_the_commands() {
    let server = Server::start();
    all_commands(Blocking(client(&server).get_connection().unwrap())).await;
}

#[tokio::test]
async fn a_client_has_the_commands() {
    let server = Server::start();
    all_commands(Blocking(client(&server))).await;
}

#[tokio::test]
async fn an_asynchronous_connection_has_the_commands_in_both_protocols() {
    for protocol in ["resp2", "resp3"] {
        let server = Server::start();
        let url = format!("redis://127.0.0.1:{}/?protocol={protocol}", server.port());
        let client = redis::Client::open(url).unwrap();
        all_commands(connection(&client).await).await;
    }
}

#[tokio::test]
async fn a_connection_manager_has_the_commands() {
    let server = Server::start();
    all_commands(client(&server).get_connection_manager().await.unwrap()).await;
}

#[tokio::test]
async fn a_blocking_cluster_connection_has_the_commands() {
    let cluster = Cluster::start(3, 0);
    all_commands(Blocking(cluster_client(&cluster).get_connection().unwrap())).await;
}

#[tokio::test]
async fn an_asynchronous_cluster_connection_has_the_commands() {
    let cluster = Cluster::start(3, 0);
    all_commands(cluster_client(&cluster).get_async_connection().await.unwrap()).await;
}

async fn all_commands(mut db: impl AsyncCommands) {
    decisions(&mut db).await;
    explains(&mut db).await;
    several_keys(&mut db).await;
    inspects_a_key(&mut db).await;
    overrides(&mut db).await;
    policies(&mut db).await;
    statistics(&mut db).await;
}

async fn decisions(db: &mut impl AsyncCommands) {
    let two = rules(&[(2, 60_000), (100, 3_600_000)]);
    let first = db.rl_check("k", &two).await.unwrap();
    assert!(first.allowed());
    assert_eq!((first.limit(), first.remaining()), (2, 1));
    assert_eq!(first.retry_after(), Some(Duration::ZERO));
    assert_eq!((first.reset_after(), first.window()), (MINUTE, MINUTE));
    assert_eq!(first.source(), Source::Module);
    let two_units = Check::from(&two).cost(Cost::new(2).unwrap());
    let denied = db.rl_check("k", two_units).await.unwrap();
    assert!(!denied.allowed());
    assert_eq!(denied.remaining(), 1);
    let wait = denied.retry_after().unwrap();
    assert!(wait > Duration::ZERO && wait <= MINUTE, "{wait:?}");
    let never = db.rl_peek("k", Check::from(&two).cost(Cost::new(3).unwrap())).await.unwrap();
    assert_eq!((never.allowed(), never.retry_after()), (false, None));
    assert_eq!(db.rl_refund("k", Cost::new(5).unwrap()).await.unwrap(), 1);
    assert_eq!(db.rl_reset("k").await.unwrap(), 0);
}

async fn explains(db: &mut impl AsyncCommands) {
    let two = rules(&[(9, 3_600_000), (2, 60_000)]);
    let _ = db.rl_check("explained", &two).await.unwrap();
    let allowed = db.rl_explain("explained", &two).await.unwrap();
    assert_eq!((allowed.decided_by, allowed.rule), (DecidedBy::Rules, Some(1)));
    let remaining: Vec<_> = allowed.rules.iter().map(Decision::remaining).collect();
    assert_eq!((remaining, allowed.decision), (vec![8, 1], allowed.rules[1]));
    let trial = policy_name("trial");
    db.rl_set_policy(&trial, &Policy { rules: two, mode: Mode::Shadow }).await.unwrap();
    let two_units = Check::from(&trial).cost(Cost::new(2).unwrap());
    let shadow = db.rl_explain("explained", two_units).await.unwrap();
    assert_eq!((shadow.decided_by, shadow.rule), (DecidedBy::Shadow, Some(1)));
    assert!(shadow.decision.allowed() && !shadow.rules[1].allowed());
    db.rl_set_override("explained", &Override::DENY).await.unwrap();
    let denied = db.rl_explain("explained", &trial).await.unwrap();
    assert_eq!((denied.decided_by, denied.rule), (DecidedBy::Override, None));
    assert!(!denied.decision.allowed() && denied.rules[1].allowed());
    assert_eq!(denied.key_override, Some(Override::DENY));
    assert!(db.rl_del_override("explained").await.unwrap());
}

async fn several_keys(db: &mut impl AsyncCommands) {
    let five = rule(5, 60_000);
    let checks = Checks::new(Cost::new(3).unwrap(), "{m}:1", five).and("{m}:2", five);
    let allowed = db.rl_mcheck(&checks).await.unwrap();
    let remaining: Vec<_> = allowed.iter().map(|d| (d.allowed(), d.remaining())).collect();
    assert_eq!(remaining, [(true, 2), (true, 2)]);
    let denied = db.rl_mcheck(&checks).await.unwrap();
    assert!(denied.iter().all(|decision| !decision.allowed() && decision.remaining() == 2));
}

async fn inspects_a_key(db: &mut impl AsyncCommands) {
    assert_eq!(db.rl_inspect("inspected").await.unwrap(), None);
    let all = HitsOptions::default();
    assert_eq!(db.rl_hits("inspected", &all).await.unwrap(), []);
    let before = SystemTime::now() - Duration::from_millis(1);
    let mut hits = Vec::new();
    let mut units = 0;
    // Several hits need several milliseconds.
    while hits.len() < 3 {
        let _ = db.rl_check("inspected", &rules(&[(1_000_000, 60_000)])).await.unwrap();
        units += 1;
        hits = db.rl_hits("inspected", &all).await.unwrap();
    }
    let seen = db.rl_inspect("inspected").await.unwrap().unwrap();
    assert_eq!((seen.units, seen.retention), (units, MINUTE));
    assert!(seen.bytes > 0);
    assert_eq!(seen.key_override, None);
    assert_eq!(hits.iter().map(|hit| hit.units).sum::<u64>(), units);
    assert_eq!((seen.newest, seen.oldest), (Some(hits[0].at), Some(hits[2].at)));
    assert!(seen.oldest.unwrap() >= before);
    let (newest, oldest, nanosecond) = (hits[0].at, hits[2].at, Duration::from_nanos(1));
    for (options, expected) in [
        (all.with_count(1), &hits[..1]),
        (all.with_before(newest), &hits[1..]),
        (all.with_before(newest + nanosecond), &hits),
        (all.with_after(oldest), &hits[..2]),
        (all.with_after(oldest - nanosecond), &hits),
        (all.with_after(oldest).with_before(newest), &hits[1..2]),
        (all.with_before(SystemTime::UNIX_EPOCH - MINUTE), &[]),
        (all.with_after(SystemTime::UNIX_EPOCH - MINUTE), &hits),
    ] {
        assert_eq!(db.rl_hits("inspected", &options).await.unwrap(), expected, "{options:?}");
    }
}

async fn overrides(db: &mut impl AsyncCommands) {
    let one = rules(&[(1, 60_000)]);
    assert_eq!(db.rl_get_override("k").await.unwrap(), None);
    db.rl_set_override("k", &Override::DENY.with_ttl(MINUTE)).await.unwrap();
    let denied = db.rl_check("k", &one).await.unwrap();
    assert!(!denied.allowed() && denied.retry_after().unwrap() <= MINUTE);
    db.rl_set_override("k", &Override::DENY).await.unwrap();
    assert_eq!(db.rl_check("k", &one).await.unwrap().retry_after(), None);
    let wide = rules(&[(7, 1_000), (70, 60_000)]);
    db.rl_set_override("k", &Override::limit(wide.clone()).with_ttl(MINUTE)).await.unwrap();
    let key_override = db.rl_get_override("k").await.unwrap().unwrap();
    assert_eq!(key_override.action, Action::Limit(wide));
    assert!(key_override.ttl.unwrap() <= MINUTE && key_override.ttl.unwrap() > Duration::ZERO);
    db.rl_set_override("free", &Override::ALLOW).await.unwrap();
    let all = ListOptions::default();
    let listed = db.rl_list_overrides(&all).await.unwrap();
    let mut keys: Vec<_> = listed.into_iter().map(|listed| (listed.key, listed.database)).collect();
    keys.sort();
    assert_eq!(keys, [(b"free".to_vec(), 0), (b"k".to_vec(), 0)]);
    assert_eq!(db.rl_list_overrides(&all.clone().with_count(1)).await.unwrap().len(), 2);
    let free = all.with_pattern("fr*");
    assert_eq!(db.rl_list_overrides(&free).await.unwrap()[0].key_override, Override::ALLOW);
    let pages = db.rl_override_pages(&free.with_count(1)).await.unwrap();
    assert!(pages.iter().map(|page| page.overrides.len()).sum::<usize>() <= 1);
    let inspected = db.rl_inspect("free").await.unwrap().unwrap();
    assert_eq!(inspected.key_override, Some(Override::ALLOW));
    assert_eq!((inspected.oldest, inspected.newest), (None, None));
    assert!(db.rl_del_override("free").await.unwrap());
    assert!(!db.rl_del_override("free").await.unwrap());
}

async fn policies(db: &mut impl AsyncCommands) {
    let (login, trial) = (policy_name("login"), policy_name("trial"));
    let error = db.rl_check("p", &login).await;
    assert!(matches!(&error, Err(Error::NoPolicy(_))), "{error:?}");
    assert_eq!(error.unwrap_err().to_string(), "NOPOLICY no policy named 'login'");
    let one = Policy { rules: rules(&[(1, 60_000), (9, 3_600_000)]), mode: Mode::Enforce };
    let shadow = Policy { mode: Mode::Shadow, ..one.clone() };
    db.rl_set_policy(&login, &one).await.unwrap();
    db.rl_set_policy(&trial, &shadow).await.unwrap();
    assert!(db.rl_check_policy("p", &login).await.unwrap().allowed());
    assert!(!db.rl_check("p", &login).await.unwrap().allowed());
    assert!(db.rl_check("p", &trial).await.unwrap().allowed());
    let key_of = |name| Checks::new(Cost::ONE, "p", name);
    assert!(!db.rl_mcheck(&key_of(&login)).await.unwrap()[0].allowed());
    assert_eq!(db.rl_get_policy(&login).await.unwrap(), Some(one));
    assert_eq!(db.rl_get_policy(&trial).await.unwrap(), Some(shadow));
    assert_eq!(db.rl_list_policies().await.unwrap(), [login.clone(), trial.clone()]);
    let json = db.rl_export_policies().await.unwrap();
    assert!(db.rl_del_policy(&login).await.unwrap());
    assert!(!db.rl_del_policy(&login).await.unwrap());
    assert_eq!(db.rl_get_policy(&login).await.unwrap(), None);
    db.rl_import_policies(&json).await.unwrap();
    assert_eq!(db.rl_list_policies().await.unwrap(), [login, trial]);
    let error = db.rl_import_policies("{}").await.unwrap_err();
    assert!(error.to_string().contains("missing field `policies`"), "{error}");
}

async fn statistics(db: &mut impl AsyncCommands) {
    db.rl_reset_stats().await.unwrap();
    let login = policy_name("login");
    for key in ["s1", "s2", "s3", "s4", "s4"] {
        let _ = db.rl_check(key, &login).await.unwrap();
    }
    let stats = db.rl_stats().await.unwrap();
    assert_eq!((stats.total.checks, stats.total.allowed, stats.total.denied), (5, 4, 1));
    assert_eq!(stats.policies["login"].counts, stats.total);
    assert_eq!(stats.policies["login"].denied_by_rule.iter().sum::<u64>(), 1);
    assert_eq!(stats.policies["trial"].counts.checks, 0);
    let denied = db.rl_top(Ranking::Denied, 100).await.unwrap();
    assert!(denied.iter().any(|ranked| ranked.key == b"s4" && ranked.count == 1), "{denied:?}");
    let checked = db.rl_top(Ranking::Checked, 100).await.unwrap();
    assert!(checked.len() > denied.len());
    assert!(checked.is_sorted_by(|one, other| one.count >= other.count), "{checked:?}");
}

const MINUTE: Duration = Duration::from_secs(60);
