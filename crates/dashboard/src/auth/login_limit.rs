//! The limit of attempts to sign in, by Ratelog's own core.

use std::net::IpAddr;

use ratelog_client::tower::client_network;
use ratelog_core::limiter::Limiter;
use ratelog_core::{Cost, Instant, Limit, Rule, Rules, Window};

use crate::clock;

/// Attempts of one address, and of all addresses together.
pub struct LoginLimit {
    limiter: Limiter,
    of_address: Rules,
    of_all: Rules,
}

impl LoginLimit {
    pub fn new() -> Self {
        Self {
            limiter: Limiter::new(Limiter::MIN_BYTES),
            of_address: rules(&[(5, 60_000), (30, 3_600_000)]),
            of_all: rules(&[(60, 60_000)]),
        }
    }

    /// Counts an attempt. The error is the number of seconds to wait.
    pub fn attempt(&self, address: IpAddr) -> Result<(), u64> {
        let network = client_network(address);
        let now = Instant::from_clock(clock::now_ms().try_into().unwrap_or(i64::MAX));
        for (key, rules) in [(network.as_bytes(), &self.of_address), (b"all", &self.of_all)] {
            let decision = self.limiter.check(key, now, rules, Cost::ONE);
            if !decision.allowed {
                return Err(decision.retry_after.unwrap_or(60_000).div_ceil(1_000).max(1));
            }
        }
        Ok(())
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

    use super::LoginLimit;

    #[test]
    fn each_address_has_its_attempts() {
        let limit = LoginLimit::new();
        let address = |last| IpAddr::from([192, 0, 2, last]);
        for _ in 0..5 {
            assert_eq!(limit.attempt(address(1)), Ok(()));
        }
        assert!(limit.attempt(address(1)).is_err_and(|seconds| (1..=60).contains(&seconds)));
        assert_eq!(limit.attempt(address(2)), Ok(()));
        let same_network =
            ["2001:db8::1", "2001:db8::2"].map(|text| text.parse::<IpAddr>().unwrap());
        for index in 0..5 {
            assert_eq!(limit.attempt(same_network[index % 2]), Ok(()));
        }
        assert!(limit.attempt(same_network[0]).is_err());
    }
}
