//! Sentinels that watch a primary and promote its replica when the primary is gone.

use std::time::Duration;

use super::wait::{eventually, scaled_timeout, until};
use super::{Client, Server};

const NAME: &str = "ratelog";
const QUORUM: usize = 2;
/// The silence after which a Sentinel considers a server down, while a test waits for a failover. The delays
/// differ so that the Sentinels do not all vote for themselves at once.
const DOWN_AFTER_MS: [u64; 3] = [1000, 1500, 2000];
/// The same at all other times: a server of a busy machine that is slow to reply is not replaced.
const NEVER_DOWN_MS: u64 = 3_600_000;

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
        let sentinels = DOWN_AFTER_MS.map(|_| {
            let timeout = scaled_timeout(Duration::from_secs(5)).as_millis();
            let sentinel = Server::sentinel(&[
                &format!("sentinel monitor {NAME} 127.0.0.1 {} {QUORUM}", primary.port()),
                &format!("sentinel down-after-milliseconds {NAME} {NEVER_DOWN_MS}"),
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

    /// Lets the Sentinels replace `old`, which is down. Waits until all of them name another primary, and
    /// returns its port.
    #[track_caller]
    pub fn primary_after(&self, old: &Server) -> u16 {
        let mut links = self.0.iter().map(Server::connect).collect::<Vec<_>>();
        for (link, delay) in links.iter_mut().zip(DOWN_AFTER_MS) {
            set_down_after(link, scaled_timeout(Duration::from_millis(delay)));
        }
        until("the Sentinels name another primary", || {
            links.retain_mut(|link| {
                let waits = named_by(link) == old.port();
                if !waits {
                    set_down_after(link, Duration::from_millis(NEVER_DOWN_MS));
                }
                waits
            });
            links.is_empty()
        });
        self.primary_port()
    }
}

fn set_down_after(link: &mut Client, delay: Duration) {
    link.run::<()>(&format!("SENTINEL SET {NAME} down-after-milliseconds {}", delay.as_millis()));
}

fn named_by(sentinel: &mut Client) -> u16 {
    let (_, port): (String, u16) =
        sentinel.run(&format!("SENTINEL GET-MASTER-ADDR-BY-NAME {NAME}"));
    port
}
