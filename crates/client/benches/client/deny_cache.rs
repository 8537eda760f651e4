//! A client that hammers a limit, with the deny cache and without.

use ratelog_client::command::Stats;
use ratelog_client::limiter::Builder;
use ratelog_client::{AsyncCommands, Rules, Source};
use ratelog_test_support::{Samples, Server};

use crate::{BenchResult, Scale, timing};

pub async fn run(scale: Scale) -> BenchResult<String> {
    let server = Server::start();
    let url = format!("redis://127.0.0.1:{}/", server.port());
    let mut db = redis::Client::open(url.as_str())?.get_multiplexed_async_connection().await?;
    let rules: Rules = "1/hour".parse()?;
    let uncached = Builder::new(&url)?.build().await?;
    let cached = Builder::new(&url)?.deny_cache(1_000).build().await?;
    let _ = uncached.check("k", &rules).await?;
    while cached.check("k", &rules).await?.source() != Source::DenyCache {
        tokio::task::yield_now().await;
    }
    let (mut uncached_times, mut cached_times) = (Samples::default(), Samples::default());
    let mut trips = [0, 0];
    for _ in 0..scale.rounds {
        for (index, (limiter, samples)) in
            [(&uncached, &mut uncached_times), (&cached, &mut cached_times)].into_iter().enumerate()
        {
            db.rl_reset_stats().await?;
            let mut denied = 0;
            let time = timing::each(scale.calls, async |_| {
                let decision = limiter.check("k", &rules).await;
                denied += usize::from(decision.is_ok_and(|decision| !decision.allowed()));
            });
            samples.push(time.await);
            if denied != scale.calls {
                return Err("a check of a key over its limit was allowed".into());
            }
            let Stats { total, .. } = db.rl_stats().await?;
            trips[index] += total.checks;
        }
    }
    Ok(format!(
        "## The deny cache\n\n{} checks in each of {} rounds of a key that is over its limit.\n\n\
         | deny cache | µs per check | checks that the server saw |\n| --- | --- | --- |\n\
         | off | {:.2} | {} |\n| on | {:.2} | {} |\n",
        scale.calls,
        scale.rounds,
        uncached_times.median(),
        trips[0],
        cached_times.median(),
        trips[1],
    ))
}
