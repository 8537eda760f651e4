//! A check with the client, compared with the same command as a plain query of the `redis` crate.

use std::fmt::Write as _;
use std::time::Duration;

use ratelog_client::limiter::Builder;
use ratelog_client::{AsyncCommands, RateLimiter, Rules};
use ratelog_test_support::{Samples, Server};
use redis::aio::MultiplexedConnection;

use crate::{BenchResult, Scale, timing};

/// Each round alternates between the ways this many times, so that all of them see the same load of the machine.
const TURNS: u32 = 50;

/// The number of concurrent callers that share a connection.
const CALLERS: usize = 64;

/// A way to make the same check.
#[derive(Clone)]
enum Way {
    Plain(MultiplexedConnection),
    Typed(MultiplexedConnection),
    Limiter(RateLimiter),
}

impl Way {
    async fn check(&mut self, number: usize, rules: &Rules) -> BenchResult<bool> {
        let key = format!("user:{}", number % 10_000);
        Ok(match self {
            Self::Plain(db) => {
                let mut cmd = redis::cmd("RL.CHECK");
                let reply: Vec<i64> =
                    cmd.arg(&key).arg(1_000_000).arg("1m").query_async(db).await?;
                reply.first() == Some(&1)
            }
            Self::Typed(db) => db.rl_check(&key, rules).await?.allowed(),
            Self::Limiter(limiter) => limiter.check(&key, rules).await?.allowed(),
        })
    }
}

pub async fn run(scale: Scale) -> BenchResult<String> {
    let server = Server::start();
    let url = format!("redis://127.0.0.1:{}/?protocol=resp3", server.port());
    let rules: Rules = "1000000/minute".parse()?;
    let db = redis::Client::open(url.as_str())?.get_multiplexed_async_connection().await?;
    let builder = || Builder::new(&url).map(|builder| builder.timeout(Duration::from_secs(5)));
    let mut ways = [
        ("a plain query of the `redis` crate", Way::Plain(db.clone())),
        ("`rl_check`", Way::Typed(db)),
        ("`RateLimiter::check`", Way::Limiter(builder()?.build().await?)),
        (
            "`RateLimiter::check`, deny cache on",
            Way::Limiter(builder()?.deny_cache(10_000).build().await?),
        ),
    ];
    let (mut sequential, mut concurrent) =
        (vec![Samples::default(); 4], vec![Samples::default(); 4]);
    // The first round warms everything up and does not count.
    for round in 0..=scale.rounds {
        let (mut one, mut many) = ([0.0; 4], [0.0; 4]);
        for _ in 0..TURNS {
            for (index, (_, way)) in ways.iter_mut().enumerate() {
                one[index] += run_sequentially(way, &rules, scale.calls / TURNS as usize).await?;
                many[index] +=
                    run_concurrently(way, &rules, scale.calls * 4 / TURNS as usize / CALLERS)
                        .await?;
            }
        }
        if round > 0 {
            for index in 0..ways.len() {
                sequential[index].push(one[index] / f64::from(TURNS));
                concurrent[index].push(many[index] / f64::from(TURNS));
            }
        }
    }
    let mut text = format!(
        "## A check's round trip\n\nMicroseconds, median of {} rounds, and the median of the rounds' ratios; one caller, \
         and {CALLERS} callers that share a connection. Target: at most 1.05.\n\n\
         | check | µs, one caller | ratio | µs, {CALLERS} callers | ratio |\n| --- | --- | --- | --- | --- |\n",
        scale.rounds
    );
    for (index, (name, _)) in ways.iter().enumerate() {
        writeln!(
            text,
            "| {name} | {:.1} | {:.3} | {:.2} | {:.3} |",
            sequential[index].median(),
            sequential[index].over(&sequential[0]).median(),
            concurrent[index].median(),
            concurrent[index].over(&concurrent[0]).median(),
        )?;
    }
    Ok(text)
}

async fn run_sequentially(way: &mut Way, rules: &Rules, calls: usize) -> BenchResult<f64> {
    let mut failed = None;
    let time = timing::each(calls, async |number| match way.check(number, rules).await {
        Ok(true) => {}
        Ok(false) => failed = Some("a check was denied".into()),
        Err(error) => failed = Some(error.to_string()),
    })
    .await;
    failed.map_or(Ok(time), |failed| Err(failed.into()))
}

async fn run_concurrently(way: &Way, rules: &Rules, each: usize) -> BenchResult<f64> {
    let began = std::time::Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (mut way, rules) = (way.clone(), rules.clone());
            tokio::spawn(async move {
                for number in 0..each {
                    let allowed = way.check(caller * each + number, &rules).await;
                    assert!(allowed.is_ok_and(|allowed| allowed), "a check was not allowed");
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await?;
    }
    let all = u32::try_from(each * CALLERS)?;
    Ok(began.elapsed().as_secs_f64() * 1e6 / f64::from(all))
}
