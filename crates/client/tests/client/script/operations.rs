//! The script as it is shipped, by the server's clock.

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
async fn a_script_that_the_server_forgot_is_given_again() {
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
async fn several_connections_are_admitted_exactly_the_limit() {
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
async fn the_largest_of_everything_fits() {
    let server = server();
    let mut db = connect(&server).await;
    let rules = rules([(1_000_000, 366 * DAY), (1_000_000, 1)]);
    let all = Check::from(&rules).cost(cost(1_000_000));
    let decision = run(&mut db, &check("k", all).unwrap()).await.unwrap();
    assert!(decision.allowed() && decision.remaining() == 0, "{decision:?}");
    let decision = run(&mut db, &check("k", &rules).unwrap()).await.unwrap();
    assert!(!decision.allowed() && decision.window().as_secs() == 366 * 86_400, "{decision:?}");
    let lasts: u64 = server.connect().run(["PTTL", &name("k")]);
    assert!((366 * DAY - HOUR..=366 * DAY + HOUR).contains(&lasts), "{lasts}");
    assert_eq!(run(&mut db, &refund("k", cost(999_999))).await.unwrap(), 999_999);
    assert_eq!(run(&mut db, &reset("k")).await.unwrap(), 1);
}

#[tokio::test]
async fn a_key_ends_by_itself_when_its_last_unit_has() {
    let server = server();
    let mut db = connect(&server).await;
    for window in [1, 20, 160] {
        run(&mut db, &check("k", &rules([(1, window)])).unwrap()).await.unwrap();
    }
    let mut other = server.connect();
    until("the key has ended", || other.run::<i64>("DBSIZE") == 0);
}

#[tokio::test]
async fn what_is_no_log_of_ours_is_an_error_and_stays_as_it_is() {
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
async fn a_server_without_memory_records_at_no_key() {
    let server = server();
    let mut db = connect(&server).await;
    let one = rules([(1, HOUR)]);
    let both = Checks::new(cost(1), "a", one.first()).and("b", one.first());
    run(&mut db, &peek("a", &one).unwrap()).await.unwrap();
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
async fn the_rights_that_the_documents_name_are_those_that_the_script_needs() {
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
        run(&mut db, &check("k", &rules).unwrap()).await.unwrap();
    }
    assert_eq!(run(&mut db, &refund("k", cost(2))).await.unwrap(), 2);
    assert_eq!(run(&mut db, &reset("k")).await.unwrap(), 1);
}

#[test]
fn a_policy_is_refused_before_anything_is_sent() {
    let policy = PolicyName::parse(b"gold").unwrap();
    let needs = |error| assert!(matches!(error, Error::NeedsModule("a check under a policy")));
    needs(check("k", &policy).unwrap_err());
    needs(peek("k", &policy).unwrap_err());
    let checks = Checks::new(cost(1), "a", rule(1, 1)).and("b", &policy);
    needs(mcheck(&checks).unwrap_err());
}

#[tokio::test]
async fn a_module_that_comes_later_meets_no_sorted_set() {
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

/// A hit at each of twenty milliseconds, for fifty, then the clock steps back. At 59 ten of them have expired.
fn twenty_hits(server: &Server) -> FakeClock {
    let mut script = FakeClock::on(server);
    let rules = rules([(100, 50)]);
    for at in 500..520 {
        script.ask(START + at, &check("k", &rules).unwrap());
    }
    let denied = Check::from(&rules).cost(cost(101));
    script.ask(START + 19, &check("k", denied).unwrap());
    script
}

#[test]
fn what_has_expired_goes_a_few_at_a_time() {
    let server = server();
    let mut script = twenty_hits(&server);
    let mut hits_after_a_check = || {
        let decision = script.ask(START + 59, &check("k", &rules([(100, 50)])).unwrap());
        (decision.remaining(), hits(&mut script.db, "k").len())
    };
    // The script with the test's clock drops three at once. The units of one instant are one hit.
    let left = [(89, 17 + 1), (88, 14 + 1), (87, 11 + 1), (86, 10 + 1), (85, 10 + 1)];
    assert_eq!(left.map(|_| hits_after_a_check()), left);
}

#[test]
fn what_has_expired_counts_for_no_longer_window_and_for_no_earlier_clock() {
    let server = server();
    let later = START + 59;
    let longer = rules([(100, 1_000)]);

    let mut script = twenty_hits(&server);
    assert_eq!(script.ask(later, &check("k", &longer).unwrap()).remaining(), 89);
    assert_eq!(script.ask(later, &peek("k", &longer).unwrap()).remaining(), 89);
    script.ask(later, &reset("k"));

    let mut script = twenty_hits(&server);
    assert_eq!(script.ask(later, &refund("k", cost(1))), 1);
    // Back where all would count if they were there.
    assert_eq!(script.ask(START + 18, &peek("k", &longer).unwrap()).remaining(), 91);
}
