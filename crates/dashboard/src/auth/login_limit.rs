//! The limit of attempts to sign in, by Ratelog's own core.

use std::net::IpAddr;

use ratelog_client::tower::client_network;
use ratelog_core::limiter::Limiter;
use ratelog_core::{Cost, Instant, Limit, Rule, Rules, Window};

use crate::clock;

/// The memory for the attempts of addresses.
const ADDRESS_BYTES: usize = 1 << 20;

/// Attempts of one client, and of all addresses together.
///
/// A full limiter evicts keys, and anybody may come from many addresses: so only other addresses share their limiter.
pub struct LoginLimit {
    browsers: Limiter,
    addresses: Limiter,
    all_addresses: Limiter,
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
            browsers: Limiter::new(Limiter::MIN_BYTES),
            addresses: Limiter::new(ADDRESS_BYTES),
            all_addresses: Limiter::new(Limiter::MIN_BYTES),
            of_client: rules(&[(5, 60_000), (30, 3_600_000)]),
            of_all: rules(&[(60, 60_000)]),
        }
    }

    /// Counts an attempt. The error is the number of seconds to wait.
    pub fn attempt(&self, client: LoginClient<'_>) -> Result<(), u64> {
        match client {
            LoginClient::KnownBrowser(id) => check(&self.browsers, id, &self.of_client),
            LoginClient::Address(address) => {
                check(&self.addresses, &client_network(address), &self.of_client)?;
                check(&self.all_addresses, "all", &self.of_all)
            }
        }
    }
}

fn check(limiter: &Limiter, key: &str, rules: &Rules) -> Result<(), u64> {
    let now = Instant::from_clock(clock::now_ms().try_into().unwrap_or(i64::MAX));
    let decision = limiter.check(key.as_bytes(), now, rules, Cost::ONE);
    if decision.allowed {
        return Ok(());
    }
    Err(decision.retry_after.unwrap_or(60_000).div_ceil(1_000).max(1))
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

    #[test]
    fn many_addresses_get_no_more_attempts_than_all_together_have() {
        let limit = LoginLimit::new();
        let browser = LoginClient::KnownBrowser("mine");
        for _ in 0..5 {
            assert_eq!(limit.attempt(browser), Ok(()));
        }
        let addresses =
            (0..20_000_u32).map(|index| LoginClient::Address(IpAddr::from(index.to_be_bytes())));
        let allowed = addresses.filter(|address| limit.attempt(*address).is_ok());
        assert_eq!(allowed.count(), 60);
        assert!(limit.attempt(browser).is_err());
    }
}
