//! Sentinels that watch a primary and promote its replica when the primary is gone.

use std::time::Duration;

use super::wait::{eventually, scaled_timeout, until};
use super::{Client, Server};

const NAME: &str = "ratelog";
const QUORUM: usize = 2;
/// The delays differ so that the Sentinels do not all vote for themselves at once.
const DOWN_AFTER_MS: [u64; 3] = [1000, 1500, 2000];

/// The periods of a Sentinel's actions, which are two to ten seconds by default, and the delay on a busy
/// machine after which it distrusts its clock. The ping period keeps its default, because a Sentinel promotes
/// only a replica that it has heard from within five ping periods.
const BRISK: &str =
    "SENTINEL DEBUG INFO-PERIOD 200 ASK-PERIOD 200 PUBLISH-PERIOD 200 TILT-TRIGGER 60000";

pub struct Sentinels(Vec<Server>);

impl Sentinels {
    /// The Sentinels' name for the primary.
    pub const NAME: &str = NAME;

    pub fn ports(&self) -> Vec<u16> {
        self.0.iter().map(Server::port).collect()
    }

    /// Starts three Sentinels and waits until they know each other and the primary's replicas.
    pub fn watch(primary: &Server, replicas: usize) -> Self {
        let sentinels = DOWN_AFTER_MS.map(|down_after| {
            let down_after = scaled_timeout(Duration::from_millis(down_after)).as_millis();
            let timeout = scaled_timeout(Duration::from_secs(5)).as_millis();
            let sentinel = Server::sentinel(&[
                &format!("sentinel monitor {NAME} 127.0.0.1 {} {QUORUM}", primary.port()),
                &format!("sentinel down-after-milliseconds {NAME} {down_after}"),
                &format!("sentinel failover-timeout {NAME} {timeout}"),
            ]);
            sentinel.connect().run::<()>(BRISK);
            sentinel
        });
        for sentinel in &sentinels {
            let mut link = sentinel.connect();
            until("the Sentinels know each other and the replicas", || {
                let info: String = link.run("INFO sentinel");
                let all = format!("slaves={replicas},sentinels={}", DOWN_AFTER_MS.len());
                info.contains("status=ok") && info.contains(&all)
            });
        }
        Self(sentinels.into())
    }

    /// Returns the primary's port as a client queries it. Any Sentinel may reply, so all must agree.
    #[track_caller]
    pub fn primary_port(&self) -> u16 {
        eventually("the Sentinels agree on the primary", || {
            let mut named = self.0.iter().map(|sentinel| named_by(&mut sentinel.connect()));
            let port = named.next()?;
            named.all(|other| other == port).then_some(port)
        })
    }

    /// Waits until all Sentinels name a primary other than `old`, and returns its port.
    #[track_caller]
    pub fn primary_after(&self, old: &Server) -> u16 {
        eventually("the Sentinels name another primary", || {
            Some(self.primary_port()).filter(|&port| port != old.port())
        })
    }
}

fn named_by(sentinel: &mut Client) -> u16 {
    let (_, port): (String, u16) =
        sentinel.run(&format!("SENTINEL GET-MASTER-ADDR-BY-NAME {NAME}"));
    port
}
