//! The limiter for callers that do not await.

use ratelog_client::limiter::{BreakerState, Builder};
use ratelog_client::{Cost, Source};
use ratelog_test_support::{Server, Stop, until};

use crate::support::{fast_probes, rules, url};

#[test]
fn a_blocking_limiter_answers_while_its_server_is_unavailable() {
    let mut server = Server::start();
    let limiter = fast_probes(&url(&server)).build_blocking().unwrap();
    let five = rules(&[(5, 60_000)]);
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (limiter, five) = (limiter.clone(), five.clone());
            std::thread::spawn(move || limiter.check("k", &five).unwrap().allowed())
        })
        .collect();
    assert!(callers.into_iter().all(|caller| caller.join().unwrap()));
    assert_eq!(limiter.peek("k", &five).unwrap().remaining(), 1);
    assert_eq!(limiter.refund("k", Cost::ONE).unwrap(), 1);
    server.stop(Stop::Kill);
    until("the fallback answers", || limiter.check("k", &five).unwrap().source() == Source::Local);
    server.start_again();
    until("the server has recovered", || limiter.health().state == BreakerState::Closed);
    assert_eq!(limiter.check("k", &five).unwrap().source(), Source::Module);
}

#[test]
fn a_blocking_limiter_can_be_dropped_on_a_thread_of_a_runtime() {
    let limiter = Builder::new("memory://").unwrap().build_blocking().unwrap();
    let pace = limiter.pace("k", "5/second").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async move { drop((limiter, pace)) });
}
