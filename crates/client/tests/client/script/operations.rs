//! The script as it is shipped, with the server's clock.

use std::collections::BTreeSet;

use ratelog_client::script::{check, mcheck, peek, refund, reset, run};
use ratelog_client::{Check, Checks, Decision, Error, PolicyName, Source};
use ratelog_client_core::script::TEXT;
use ratelog_test_support::{Module, Server, until};
use redis::aio::MultiplexedConnection;
use tokio::task::JoinSet;

use super::fake_clock::{FakeClock, START};
use super::log::{hits, name};
use super::{connect, cost, rule, rules, server};

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

#[tokio::test]
async fn the_script_is_loaded_again_after_the_server_forgot_it() {
    let server = server();
    let mut db = connect(&server).await;
    let rules = rules([(3, HOUR)]);
    for left in [2, 1, 0] {
        let decision = run(&mut db, &check("k", &rules).unwrap()).await.unwrap();
        assert_eq!((decision.remaining(), decision.source()), (left, Source::Script));
        server.connect().run::<()>("SCRIPT FLUSH");
    }
    let denied = run(&mut db, &check("k", &rules).unwrap()).await.unwrap();
    assert!(!denied.allowed() && denied.retry_after().unwrap().as_secs() > 3_500, "{denied:?}");
}

#[tokio::test]
async fn concurrent_connections_get_exactly_the_limit() {
    let server = server();
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let mut db = connect(&server).await;
        callers.spawn(async move {
            let rules = rules([(900, HOUR), (77, DAY), (500, HOUR / 2)]);
            let mut allowed = 0;
            for _ in 0..10 {
                let decision = run(&mut db, &check("k", &rules).unwrap()).await.unwrap();
                allowed += u32::from(decision.allowed());
            }
            allowed
        });
    }
    assert_eq!(callers.join_all().await.iter().sum::<u32>(), 77);
}

#[tokio::test]
async fn the_greatest_values_are_supported() {
    let server = server();
    let mut db = connect(&server).await;
    let rules = rules([(1_000_000, 366 * DAY), (1_000_000, 1)]);
    let all = Check::from(&rules).cost(cost(1_000_000));
    let decision = run(&mut db, &check("k", all).unwrap()).await.unwrap();
    assert!(decision.allowed() && decision.remaining() == 0, "{decision:?}");
    let decision = run(&mut db, &check("k", &rules).unwrap()).await.unwrap();
    assert!(!decision.allowed() && decision.window().as_secs() == 366 * 86_400, "{decision:?}");
    let ttl: u64 = server.connect().run(["PTTL", &name("k")]);
    assert!((366 * DAY - HOUR..=366 * DAY + HOUR).contains(&ttl), "{ttl}");
    assert_eq!(run(&mut db, &refund("k", cost(999_999))).await.unwrap(), 999_999);
    assert_eq!(run(&mut db, &reset("k")).await.unwrap(), 1);
}

#[tokio::test]
async fn a_key_expires_with_its_last_unit() {
    let server = server();
    let mut db = connect(&server).await;
    for window in [1, 20, 160] {
        let _ = run(&mut db, &check("k", &rules([(1, window)])).unwrap()).await.unwrap();
    }
    let mut other = server.connect();
    until("the key has expired", || other.run::<i64>("DBSIZE") == 0);
}

#[tokio::test]
async fn a_key_that_is_not_a_log_is_an_error_and_stays_unchanged() {
    let server = server();
    let mut db = connect(&server).await;
    let mut other = server.connect();
    other.run::<()>(["SET", &name("text"), "mine"]);
    other.run::<()>(["ZADD", &name("scores"), "-7", "key", "1", "retention", "5", "2"]);
    other.run::<()>(["ZADD", &name("cut"), "-60000", "retention"]);
    let before = other.digest();
    let other_type = "Operation against a key holding the wrong kind of value";
    let other_set = "the sorted set is not one of Ratelog";
    for (key, text) in [("text", other_type), ("scores", other_set), ("cut", other_set)] {
        let wrong = |answer: Result<(), Error>| match answer {
            Err(Error::Redis(error)) => {
                assert_eq!((error.code(), error.detail()), (Some("WRONGTYPE"), Some(text)));
            }
            other => panic!("{other:?}"),
        };
        let rules = rules([(1, HOUR)]);
        wrong(run(&mut db, &check(key, &rules).unwrap()).await.map(drop));
        wrong(run(&mut db, &peek(key, &rules).unwrap()).await.map(drop));
        let both = Checks::new(cost(1), "new", rules.first()).and(key, rules.first());
        wrong(run(&mut db, &mcheck(&both).unwrap()).await.map(drop));
        wrong(run(&mut db, &refund(key, cost(1))).await.map(drop));
        wrong(run(&mut db, &reset(key)).await.map(drop));
    }
    assert_eq!(other.digest(), before);
}

#[tokio::test]
async fn a_server_that_is_out_of_memory_records_on_no_key() {
    let server = server();
    let mut db = connect(&server).await;
    let one = rules([(1, HOUR)]);
    let both = Checks::new(cost(1), "a", one.first()).and("b", one.first());
    let _ = run(&mut db, &peek("a", &one).unwrap()).await.unwrap();
    server.connect().run::<()>("CONFIG SET maxmemory 1");
    match run(&mut db, &mcheck(&both).unwrap()).await {
        Err(Error::Redis(error)) => assert_eq!(error.code(), Some("OOM")),
        other => panic!("{other:?}"),
    }
    server.connect().run::<()>("CONFIG SET maxmemory 0");
    let decisions = run(&mut db, &mcheck(&both).unwrap()).await.unwrap();
    assert!(decisions.iter().all(Decision::allowed), "{decisions:?}");
}

#[tokio::test]
async fn the_documented_permissions_are_those_that_the_script_needs() {
    let documents = include_str!("../../../../../docs/without-the-module.md");
    let rights = documents.lines().find(|line| line.starts_with("+evalsha ")).unwrap();
    let calls = TEXT.split("call('").skip(1).map(|rest| rest.split('\'').next().unwrap());
    let mut needed: BTreeSet<_> = calls.map(|name| format!("+{}", name.to_lowercase())).collect();
    needed.extend(["+evalsha", "+script|load"].map(str::to_owned));
    assert_eq!(rights.split(' ').map(str::to_owned).collect::<BTreeSet<_>>(), needed);

    let server = server();
    let user = format!("ACL SETUSER limiter on nopass ~*:ratelog-log {rights}");
    server.connect().run::<()>(&user);
    let mut db = connect(&server).await;
    redis::cmd("AUTH").arg("limiter").arg("any").exec_async(&mut db).await.unwrap();
    let rules = rules([(3, HOUR), (3, DAY)]);
    for _ in 0..4 {
        let _ = run(&mut db, &check("k", &rules).unwrap()).await.unwrap();
    }
    assert_eq!(run(&mut db, &refund("k", cost(2))).await.unwrap(), 2);
    assert_eq!(run(&mut db, &reset("k")).await.unwrap(), 1);
}

#[test]
fn a_policy_is_rejected_before_anything_is_sent() {
    let policy = PolicyName::parse(b"gold").unwrap();
    let needs = |error| assert!(matches!(error, Error::NeedsModule("a check under a policy")));
    needs(check("k", &policy).unwrap_err());
    needs(peek("k", &policy).unwrap_err());
    let checks = Checks::new(cost(1), "a", rule(1, 1)).and("b", &policy);
    needs(mcheck(&checks).unwrap_err());
}

#[tokio::test]
async fn a_module_that_is_loaded_later_reads_no_sorted_set() {
    let server = Server::configured(Module::Loaded, &[]);
    let mut db = connect(&server).await;
    let allowed = |db: MultiplexedConnection| async move {
        let mut db = db;
        run(&mut db, &check("k", &rules([(1, HOUR)])).unwrap()).await.unwrap().allowed()
    };
    assert!(allowed(db.clone()).await);
    assert!(server.connect().decide("RL.CHECK k 1 3600").allowed);
    assert!(!allowed(db.clone()).await);
    assert_eq!(run(&mut db, &reset("k")).await.unwrap(), 1);
}

/// Twenty hits, one per millisecond, in a window of 50 ms. Then the clock steps back. At 59 ms ten of them have
/// expired.
fn twenty_hits(server: &Server) -> FakeClock {
    let mut script = FakeClock::on(server);
    let rules = rules([(100, 50)]);
    for at in 500..520 {
        let _ = script.run(START + at, &check("k", &rules).unwrap());
    }
    let denied = Check::from(&rules).cost(cost(101));
    let _ = script.run(START + 19, &check("k", denied).unwrap());
    script
}

#[test]
fn expired_hits_are_dropped_a_few_at_a_time() {
    let server = server();
    let mut script = twenty_hits(&server);
    let mut hits_after_a_check = || {
        let decision = script.run(START + 59, &check("k", &rules([(100, 50)])).unwrap());
        (decision.remaining(), hits(&mut script.db, "k").len())
    };
    // The script of the test drops three at once. The units of one instant are one hit.
    let left = [(89, 17 + 1), (88, 14 + 1), (87, 11 + 1), (86, 10 + 1), (85, 10 + 1)];
    assert_eq!(left.map(|_| hits_after_a_check()), left);
}

#[test]
fn expired_hits_do_not_count_in_a_longer_window_or_after_a_clock_step() {
    let server = server();
    let later = START + 59;
    let longer = rules([(100, 1_000)]);

    let mut script = twenty_hits(&server);
    assert_eq!(script.run(later, &check("k", &longer).unwrap()).remaining(), 89);
    assert_eq!(script.run(later, &peek("k", &longer).unwrap()).remaining(), 89);
    script.run(later, &reset("k"));

    let mut script = twenty_hits(&server);
    assert_eq!(script.run(later, &refund("k", cost(1))), 1);
    // At this time all of them would count if they had not been dropped.
    assert_eq!(script.run(START + 18, &peek("k", &longer).unwrap()).remaining(), 91);
}
