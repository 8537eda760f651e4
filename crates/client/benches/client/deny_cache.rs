//! A client that hammers a limit, with the deny cache and without.

use ratelog_client::command::Stats;
use ratelog_client::limiter::Builder;
use ratelog_client::{AsyncCommands, Rules, Source};
use ratelog_test_support::{Samples, Server};

use crate::{Extent, Outcome, timing};

pub async fn run(extent: Extent) -> Outcome<String> {
    let server = Server::start();
    let url = format!("redis://127.0.0.1:{}/", server.port());
    let mut db = redis::Client::open(url.as_str())?.get_multiplexed_async_connection().await?;
    let rules: Rules = "1/hour".parse()?;
    let asking = Builder::new(&url)?.build().await?;
    let remembering = Builder::new(&url)?.deny_cache(1_000).build().await?;
    asking.check("k", &rules).await?;
    while remembering.check("k", &rules).await?.source() != Source::DenyCache {
        tokio::task::yield_now().await;
    }
    let (mut asked, mut remembered) = (Samples::default(), Samples::default());
    let mut trips = [0, 0];
    for _ in 0..extent.rounds {
        for (place, (limiter, samples)) in
            [(&asking, &mut asked), (&remembering, &mut remembered)].into_iter().enumerate()
        {
            db.rl_reset_stats().await?;
            let mut denied = 0;
            let time = timing::each(extent.calls, async |_| {
                let decision = limiter.check("k", &rules).await;
                denied += usize::from(decision.is_ok_and(|decision| !decision.allowed()));
            });
            samples.push(time.await);
            if denied != extent.calls {
                return Err("a check of a key over its limit was allowed".into());
            }
            let Stats { total, .. } = db.rl_stats().await?;
            trips[place] += total.checks;
        }
    }
    Ok(format!(
        "## The deny cache\n\n{} checks in each of {} rounds of a key that is over its limit.\n\n\
         | deny cache | µs per check | checks that the server saw |\n| --- | --- | --- |\n\
         | off | {:.2} | {} |\n| on | {:.2} | {} |\n",
        extent.calls,
        extent.rounds,
        asked.median(),
        trips[0],
        remembered.median(),
        trips[1],
    ))
}
