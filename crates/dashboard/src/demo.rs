//! Traffic for a demonstration: checks of some keys under some policies, until somebody stops it.

use std::time::Duration;

use rand::RngExt;
use ratelog_client::command::{self, Override};
use ratelog_client::nodes::Deployment;
use ratelog_client::{Error, Mode, Policy, PolicyName, RateLimiter};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

/// The time between two rounds of checks.
const PAUSE: Duration = Duration::from_millis(50);
/// The time after which an error is logged again.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(5);
/// The policies of the traffic.
const POLICIES: [(&str, &str, Mode); 3] = [
    ("demo/search", "10/second; 300/minute", Mode::Enforce),
    ("demo/login", "5/minute", Mode::Enforce),
    ("demo/export", "2/second", Mode::Shadow),
];

/// Traffic that can be stopped and started again.
pub struct Demo {
    url: String,
    is_running: watch::Sender<bool>,
}

impl Demo {
    /// Traffic on the servers of this URL.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), is_running: watch::channel(true).0 }
    }

    /// Whether there is traffic now.
    #[must_use]
    pub fn is_running(&self) -> bool {
        *self.is_running.borrow()
    }

    /// Starts or stops the traffic.
    pub fn set_running(&self, is_running: bool) {
        self.is_running.send_replace(is_running);
    }

    /// Makes traffic until the program ends.
    pub async fn run(&self, deployment: &Deployment) {
        loop {
            if let Err(error) = self.make_traffic(deployment).await {
                tracing::warn!(%error, "the demo traffic has stopped");
            }
            tokio::time::sleep(PAUSE_AFTER_ERROR).await;
        }
    }

    async fn make_traffic(&self, deployment: &Deployment) -> Result<(), Error> {
        let limiter = RateLimiter::connect(&self.url).await?;
        let policies = set_up(deployment).await?;
        let mut is_running = self.is_running.subscribe();
        let mut rounds = interval(PAUSE);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // The sender lives as long as this.
            let _ = is_running.wait_for(|is_running| *is_running).await;
            rounds.tick().await;
            for (key, policy) in round(&policies) {
                // A denial is the purpose.
                let _decision = limiter.check(key, policy).await?;
            }
        }
    }
}

/// Sets the policies, and two overrides.
async fn set_up(deployment: &Deployment) -> Result<Vec<PolicyName>, Error> {
    let nodes = deployment.discover().await?;
    let invalid = |text: &str| Error::Config(format!("'{text}' is invalid"));
    let mut names = Vec::new();
    for (name, rules, mode) in POLICIES {
        let name = PolicyName::parse(name.as_bytes()).ok_or_else(|| invalid(name))?;
        let policy = Policy { rules: rules.parse().map_err(|_| invalid(rules))?, mode };
        for node in nodes.iter().filter(|node| node.is_primary()) {
            node.query(&command::set_policy(&name, &policy)).await?;
        }
        names.push(name);
    }
    let hour = Duration::from_secs(3_600);
    deployment.query(&command::set_override("demo:user:7", &Override::DENY.with_ttl(hour))).await?;
    let partner = Override::limit("1000/minute".parse().map_err(|_| invalid("1000/minute"))?);
    deployment.query(&command::set_override("demo:user:8", &partner.with_ttl(24 * hour))).await?;
    Ok(names)
}

/// The checks of one round. Few users make most of them.
fn round(policies: &[PolicyName]) -> Vec<(String, &PolicyName)> {
    let mut rng = rand::rng();
    let mut checks = Vec::new();
    for _ in 0..5 {
        let user = rng.random_range(1..=30) * rng.random_range(1..=30) / 30;
        checks.extend(policies.first().map(|policy| (format!("demo:user:{user}"), policy)));
    }
    let host = rng.random_range(1..=200);
    if host <= 20 {
        checks.extend(policies.get(1).map(|policy| (format!("demo:login:192.0.2.{host}"), policy)));
    }
    let job = rng.random_range(1..=4);
    checks.extend(policies.get(2).map(|policy| (format!("demo:export:{job}"), policy)));
    checks
}
