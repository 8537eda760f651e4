//! The limiter without await.

use ratelog_client::limiter::{State, blocking};
use ratelog_client::{Cost, Source};
use ratelog_test_support::{Server, Stop, until};

use crate::support::{brisk, rules, url};

#[test]
fn a_limiter_that_blocks_serves_on_while_its_server_is_away() {
    let mut server = Server::start();
    let limiter = blocking::RateLimiter::build(brisk(&url(&server))).unwrap();
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
    until("the server is missed", || limiter.check("k", &five).unwrap().source() == Source::Local);
    server.start_again();
    until("the server is found", || limiter.health().state == State::Closed);
    assert_eq!(limiter.check("k", &five).unwrap().source(), Source::Module);
}
