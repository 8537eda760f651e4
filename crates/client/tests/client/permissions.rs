//! The permissions of a limiter's user: those that `redis.conf.example` gives an application are enough.

use ratelog_client::{Checks, Cost, Source};
use ratelog_test_support::{Server, Stop};

use crate::support::{fast_probes, policy_name, rule, rules, until};

const EXAMPLE: &str = include_str!("../../../../redis.conf.example");

#[tokio::test]
async fn the_permissions_of_an_application_are_enough() {
    let line = EXAMPLE.lines().find_map(|line| line.strip_prefix("# user application "));
    let line = line.expect("the example has an application");
    let mut server = Server::with(&[&format!("user application {line}")]);
    let password = line.split(' ').find_map(|argument| argument.strip_prefix('>')).unwrap();
    let url = format!("redis://application:{password}@127.0.0.1:{}/", server.port());
    let limiter = fast_probes(&url).deny_cache(100).build().await.unwrap();
    assert!(limiter.health().tracking, "{:?}", limiter.health());
    let mut admin = server.connect();
    admin.run::<()>("RL.POLICY SET api 1 1h");
    let name = policy_name("api");
    let decision = limiter.check("limits:k", &name).await.unwrap();
    assert_eq!((decision.allowed(), decision.source()), (true, Source::Module));
    let one = rules(&[(1, 60_000)]);
    limiter.check("limits:l", &one).await.unwrap();
    until("the denial is cached", async || {
        limiter.check("limits:l", &one).await.unwrap().source() == Source::DenyCache
    })
    .await;
    assert_eq!(limiter.refund("limits:l", Cost::ONE).await.unwrap(), 1);
    assert!(limiter.check("limits:l", &one).await.unwrap().allowed());
    let both = Checks::new(Cost::ONE, "limits:a", rule(5, 60_000)).and("limits:b", &name);
    assert_eq!(limiter.mcheck(&both).await.unwrap().len(), 2);
    let error = limiter.reset("limits:k").await.unwrap_err();
    assert!(error.to_string().contains("NoPerm"), "{error}");
    // It has fetched the policy, and uses it while the server is unavailable.
    until("the policy is fetched", async || {
        admin.run::<String>("INFO commandstats").to_lowercase().contains("rl.policy|get:calls=1,")
    })
    .await;
    server.stop(Stop::Kill);
    until("the fallback answers", async || {
        limiter.check("limits:m", &name).await.is_ok_and(|d| d.source() == Source::Local)
    })
    .await;
    assert!(!limiter.check("limits:m", &name).await.unwrap().allowed());
}
