//! The permissions of a limiter's user: those that `redis.conf.example` gives an application are enough.

use ratelog_client::{Checks, Cost, RateLimiter, Source};
use ratelog_test_support::{Cluster, Server, Stop};

use crate::support::{fast_probes, policy_name, rule, rules, until};

const EXAMPLE: &str = include_str!("../../../../redis.conf.example");

/// The example's line that defines the application's user.
fn user() -> &'static str {
    let mut lines = EXAMPLE.lines().filter_map(|line| line.strip_prefix("# "));
    lines.find(|line| line.starts_with("user application ")).expect("the example has the user")
}

/// A limiter that logs in as the application.
async fn limiter(scheme: &str, server: &Server) -> RateLimiter {
    let password = user().split(' ').find_map(|word| word.strip_prefix('>')).expect("a password");
    let url = format!("{scheme}://application:{password}@127.0.0.1:{}/", server.port());
    fast_probes(&url).deny_cache(100).build().await.unwrap()
}

fn assert_nothing_was_rejected(server: &Server) {
    let rejected: Vec<redis::Value> = server.connect().run("ACL LOG");
    assert!(rejected.is_empty(), "{rejected:?}");
}

#[tokio::test]
async fn the_permissions_of_an_application_are_enough() {
    let mut server = Server::with(&[user()]);
    let limiter = limiter("redis", &server).await;
    assert!(limiter.health().tracking, "{:?}", limiter.health());
    let mut admin = server.connect();
    admin.run::<()>("RL.POLICY SET api 1 1h");
    let name = policy_name("api");
    let decision = limiter.check("ratelog:k", &name).await.unwrap();
    assert_eq!((decision.allowed(), decision.source()), (true, Source::Module));
    let one = rules(&[(1, 60_000)]);
    let _ = limiter.check("ratelog:l", &one).await.unwrap();
    until("the denial is cached", async || {
        limiter.check("ratelog:l", &one).await.unwrap().source() == Source::DenyCache
    })
    .await;
    assert_eq!(limiter.refund("ratelog:l", Cost::ONE).await.unwrap(), 1);
    assert!(limiter.check("ratelog:l", &one).await.unwrap().allowed());
    assert_eq!(limiter.reset("ratelog:l").await.unwrap(), 1);
    let both = Checks::new(Cost::ONE, "ratelog:a", rule(5, 60_000)).and("ratelog:b", &name);
    assert_eq!(limiter.mcheck(&both).await.unwrap().len(), 2);
    // It has fetched the policy, and uses it while the server is unavailable.
    until("the policy is fetched", async || {
        admin.run::<String>("INFO commandstats").to_lowercase().contains("rl.policy|get:calls=1,")
    })
    .await;
    assert_nothing_was_rejected(&server);
    server.stop(Stop::Kill);
    until("the fallback answers", async || {
        limiter.check("ratelog:m", &name).await.is_ok_and(|d| d.source() == Source::Local)
    })
    .await;
    assert!(!limiter.check("ratelog:m", &name).await.unwrap().allowed());
}

#[tokio::test]
async fn the_permissions_of_an_application_are_enough_in_a_cluster() {
    let cluster = Cluster::with(3, 0, &[user()]);
    cluster[0].connect().run::<()>("RL.POLICY SET api 1 1h");
    cluster.wait_for_equal_policies();
    let limiter = limiter("redis+cluster", &cluster[0]).await;
    let name = policy_name("api");
    for number in 0..12 {
        let key = format!("ratelog:{{{number}}}:a");
        let decision = limiter.check(&key, &name).await.unwrap();
        assert_eq!((decision.allowed(), decision.source()), (true, Source::Module));
        assert!(!limiter.peek(&key, &name).await.unwrap().allowed());
        assert_eq!(limiter.refund(&key, Cost::ONE).await.unwrap(), 1);
        let both = Checks::new(Cost::ONE, &key, rule(5, 60_000))
            .and(format!("ratelog:{{{number}}}:b"), &name);
        assert_eq!(limiter.mcheck(&both).await.unwrap().len(), 2);
        assert_eq!(limiter.reset(&key).await.unwrap(), 1);
    }
    cluster.each_node().for_each(assert_nothing_was_rejected);
}
