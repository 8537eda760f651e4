//! Checks that are repeated until they are allowed.

use ratelog_client::retry::{RetryPolicy, until_allowed};
use ratelog_client::{Error, RateLimiter};
use ratelog_test_support::Server;

use crate::support::{fast_probes, rules, url};

#[tokio::test(flavor = "multi_thread")]
async fn all_contenders_finish() {
    let server = Server::start();
    let rules = rules(&[(3, 100)]);
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let limiter = fast_probes(&url(&server)).build().await.unwrap();
        for _ in 0..10 {
            let (limiter, rules) = (limiter.clone(), rules.clone());
            tasks.push(tokio::spawn(async move {
                let policy = RetryPolicy::default();
                until_allowed(&policy, || limiter.check("job", &rules)).await.unwrap()
            }));
        }
    }
    let mut attempts = Vec::new();
    for task in tasks {
        let outcome = task.await.unwrap();
        assert!(outcome.output.allowed());
        attempts.push(outcome.attempts);
    }
    // Forty jobs need more than a second at this limit, and some are denied more often than any other retry fails.
    assert!(attempts.iter().any(|attempts| *attempts > 5), "{attempts:?}");
}

#[tokio::test]
async fn a_denied_call_does_not_pass_as_a_success() {
    async fn call(limiter: &RateLimiter) -> Result<(), Error> {
        limiter.check("call", &rules(&[(1, 60_000)])).await?.into_result()?;
        Ok(())
    }
    let limiter = RateLimiter::connect("memory://").await.unwrap();
    call(&limiter).await.unwrap();
    let error = call(&limiter).await.unwrap_err();
    assert!(error.to_string().starts_with("the limit 1/minute denies the check; it may be "));
    assert!(!error.is_unavailable());
}
