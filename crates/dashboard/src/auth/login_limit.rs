//! The limit of attempts to sign in, by Ratelog's own core.

use std::net::IpAddr;

use ratelog_client::tower::client_network;
use ratelog_core::limiter::Limiter;
use ratelog_core::{Cost, Instant, Limit, Rule, Rules, Window};

use crate::clock;

/// Attempts of one client, and of all addresses together.
pub struct LoginLimit {
    limiter: Limiter,
    of_client: Rules,
    of_all: Rules,
}

/// The client of an attempt to sign in.
#[derive(Clone, Copy, Debug)]
pub enum LoginClient<'a> {
    /// A browser from which somebody has signed in before, by its identifier. Others cannot use up its attempts.
    KnownBrowser(&'a str),
    /// Any other client.
    Address(IpAddr),
}

impl LoginLimit {
    pub fn new() -> Self {
        Self {
            limiter: Limiter::new(Limiter::MIN_BYTES),
            of_client: rules(&[(5, 60_000), (30, 3_600_000)]),
            of_all: rules(&[(60, 60_000)]),
        }
    }

    /// Counts an attempt. The error is the number of seconds to wait.
    pub fn attempt(&self, client: LoginClient<'_>) -> Result<(), u64> {
        match client {
            LoginClient::KnownBrowser(id) => self.check(&format!("browser {id}"), &self.of_client),
            LoginClient::Address(address) => {
                self.check(&client_network(address), &self.of_client)?;
                self.check("all", &self.of_all)
            }
        }
    }

    fn check(&self, key: &str, rules: &Rules) -> Result<(), u64> {
        let now = Instant::from_clock(clock::now_ms().try_into().unwrap_or(i64::MAX));
        let decision = self.limiter.check(key.as_bytes(), now, rules, Cost::ONE);
        if decision.allowed {
            return Ok(());
        }
        Err(decision.retry_after.unwrap_or(60_000).div_ceil(1_000).max(1))
    }
}

fn rules(pairs: &[(u32, u64)]) -> Rules {
    let rules = pairs.iter().filter_map(|&(limit, window)| {
        Some(Rule::new(Limit::new(limit), Window::from_millis(window)?))
    });
    Rules::new(rules).unwrap_or_else(|| Rules::one(Rule::new(Limit::new(0), Window::MAX)))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{LoginClient, LoginLimit};

    fn address(text: &str) -> LoginClient<'static> {
        LoginClient::Address(text.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn each_address_has_its_attempts() {
        let limit = LoginLimit::new();
        for _ in 0..5 {
            assert_eq!(limit.attempt(address("192.0.2.1")), Ok(()));
        }
        let refused = limit.attempt(address("192.0.2.1"));
        assert!(refused.is_err_and(|seconds| (1..=60).contains(&seconds)));
        assert_eq!(limit.attempt(address("192.0.2.2")), Ok(()));
        let same_network = ["2001:db8::1", "2001:db8::2"].map(address);
        for index in 0..5 {
            assert_eq!(limit.attempt(same_network[index % 2]), Ok(()));
        }
        assert!(limit.attempt(same_network[0]).is_err());
    }

    #[test]
    fn a_known_browser_has_attempts_of_its_own() {
        let limit = LoginLimit::new();
        for attempt in 0..60 {
            assert_eq!(limit.attempt(address(&format!("192.0.2.{attempt}"))), Ok(()));
        }
        assert!(limit.attempt(address("198.51.100.1")).is_err());
        let [mine, other] = ["mine", "other"].map(LoginClient::KnownBrowser);
        for _ in 0..5 {
            assert_eq!(limit.attempt(mine), Ok(()));
        }
        assert!(limit.attempt(mine).is_err());
        assert_eq!(limit.attempt(other), Ok(()));
    }
}
