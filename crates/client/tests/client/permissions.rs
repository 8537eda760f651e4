//! What a limiter's user may do: no more is needed than `redis.conf.example` grants to an application.

use ratelog_client::{Checks, Cost, Source};
use ratelog_test_support::{Server, Stop};

use crate::support::{brisk, policy_name, rule, rules, until};

const EXAMPLE: &str = include_str!("../../../../redis.conf.example");

#[tokio::test]
async fn the_rights_of_an_application_are_enough() {
    let line = EXAMPLE.lines().find_map(|line| line.strip_prefix("# user application "));
    let line = line.expect("the example has an application");
    let mut server = Server::with(&[&format!("user application {line}")]);
    let password = line.split(' ').find_map(|word| word.strip_prefix('>')).unwrap();
    let url = format!("redis://application:{password}@127.0.0.1:{}/", server.port());
    let limiter = brisk(&url).deny_cache(100).build().await.unwrap();
    assert!(limiter.health().tracks, "{:?}", limiter.health());
    let mut admin = server.connect();
    admin.run::<()>("RL.POLICY SET api 1 1h");
    let name = policy_name("api");
    let decision = limiter.check("limits:k", &name).await.unwrap();
    assert_eq!((decision.allowed(), decision.source()), (true, Source::Module));
    let one = rules(&[(1, 60_000)]);
    limiter.check("limits:l", &one).await.unwrap();
    until("the denial is remembered", async || {
        limiter.check("limits:l", &one).await.unwrap().source() == Source::DenyCache
    })
    .await;
    assert_eq!(limiter.refund("limits:l", Cost::ONE).await.unwrap(), 1);
    assert!(limiter.check("limits:l", &one).await.unwrap().allowed());
    let both = Checks::new(Cost::ONE, "limits:a", rule(5, 60_000)).and("limits:b", &name);
    assert_eq!(limiter.mcheck(&both).await.unwrap().len(), 2);
    let refused = limiter.reset("limits:k").await.unwrap_err();
    assert!(refused.to_string().contains("NoPerm"), "{refused}");
    // It has learnt the policy, and goes on by it.
    until("the policy is learnt", async || {
        admin.run::<String>("INFO commandstats").to_lowercase().contains("rl.policy|get:calls=1,")
    })
    .await;
    server.stop(Stop::Kill);
    until("the server is missed", async || {
        limiter.check("limits:m", &name).await.is_ok_and(|d| d.source() == Source::Local)
    })
    .await;
    assert!(!limiter.check("limits:m", &name).await.unwrap().allowed());
}
