//! The script, compared with the module.

use std::fmt::Write as _;

use ratelog_client::limiter::{Backend, Builder};
use ratelog_client::{RateLimiter, Rules};
use ratelog_test_support::{Samples, Server};

use crate::{BenchResult, Scale, timing};

/// Each key's log is filled first, so that the script has units to search.
const LIMIT: usize = 100;
const KEYS: usize = 100;

pub async fn run(scale: Scale) -> BenchResult<String> {
    let server = Server::start();
    let url = format!("redis://127.0.0.1:{}/", server.port());
    let mut db = server.connect();
    let module = Builder::new(&url)?.backend(Backend::Module).build().await?;
    let script = Builder::new(&url)?.backend(Backend::Script).build().await?;
    let rules: Rules = format!("{LIMIT}/minute").parse()?;
    let wide: Rules = format!("{}/minute", LIMIT * 1_000).parse()?;
    let mut text = format!(
        "## Without the module\n\nThe script against the module in one server, {KEYS} keys, median of {} rounds: the \
         round trip, and the server's own time by `INFO commandstats`, in microseconds.\n\n\
         | check | round trip, module | script | ratio | server, module | script | ratio |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
        scale.rounds
    );
    for (name, rules) in [("denied", &rules), ("allowed", &wide)] {
        let mut trip = [Samples::default(), Samples::default()];
        let mut time = [Samples::default(), Samples::default()];
        for limiter in [&module, &script] {
            check(limiter, rules, KEYS * LIMIT).await;
        }
        for _ in 0..scale.rounds {
            for (index, (limiter, command)) in
                [(&module, "rl.check"), (&script, "evalsha")].into_iter().enumerate()
            {
                db.run::<()>("CONFIG RESETSTAT");
                trip[index].push(check(limiter, rules, scale.calls).await);
                time[index].push(usec_per_call(&db.run::<String>("INFO commandstats"), command)?);
            }
        }
        let of = |[module, script]: &[Samples; 2]| {
            let ratio = script.over(module).median();
            format!("{:.1} | {:.1} | {ratio:.1}", module.median(), script.median())
        };
        writeln!(text, "| {name} | {} | {} |", of(&trip), of(&time))?;
    }
    Ok(text)
}

async fn check(limiter: &RateLimiter, rules: &Rules, calls: usize) -> f64 {
    timing::each(calls, async |number| {
        let decision = limiter.check(format!("k{}", number % KEYS), rules).await;
        assert!(decision.is_ok(), "{decision:?}");
    })
    .await
}

fn usec_per_call(stats: &str, command: &str) -> BenchResult<f64> {
    // Some servers write the names of a module's commands in upper case.
    let stats = stats.to_lowercase();
    let line = stats.lines().find(|line| line.starts_with(&format!("cmdstat_{command}:")));
    let field = line.and_then(|line| line.split("usec_per_call=").nth(1)?.split(',').next());
    Ok(field.ok_or_else(|| format!("{command} was not called"))?.parse()?)
}
