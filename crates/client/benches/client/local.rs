//! Checks in this process on distinct keys, compared with a lookup of the same keys in a `HashMap`.

use std::collections::HashMap;

use ratelog_client::{RateLimiter, Rules};
use ratelog_core::limiter::Limiter;
use ratelog_core::{Cost, Instant};
use ratelog_test_support::Samples;

use crate::{BenchResult, Scale, timing};

const KEYS: usize = 100_000;

pub async fn run(scale: Scale) -> BenchResult<String> {
    let keys: Vec<String> = (0..KEYS).map(|number| format!("user:{number}")).collect();
    let mut map: HashMap<String, u64> = keys.iter().map(|key| (key.clone(), 0)).collect();
    let rules: Rules = "1000/minute".parse()?;
    let core = Limiter::new(1 << 30);
    let limiter = RateLimiter::connect("memory://").await?;
    let (mut lookup, mut bare, mut whole) =
        (Samples::default(), Samples::default(), Samples::default());
    let mut millis = 1_700_000_000_000;
    // The first round makes the keys and does not count.
    for round in 0..=scale.rounds {
        let looked = timing::each_blocking(KEYS, |number| {
            map.get_mut(keys[number].as_str()).map(|count| *count += 1)
        });
        millis += 1_000;
        let now = Instant::from_unix_millis(millis).ok_or("the clock has run out")?;
        let decided = timing::each_blocking(KEYS, |number| {
            core.check(keys[number].as_bytes(), now, &rules, Cost::ONE).allowed
        });
        let checked = timing::each(KEYS, async |number| {
            limiter.check(&keys[number], &rules).await.is_ok_and(|decision| decision.allowed())
        })
        .await;
        if round > 0 {
            lookup.push(looked);
            bare.push(decided);
            whole.push(checked);
        }
    }
    let line = |name: &str, samples: &Samples| {
        let ratio = samples.over(&lookup).median();
        format!("| {name} | {:.2} | {ratio:.2} |\n", 1.0 / samples.median())
    };
    Ok(format!(
        "## Checks in this process\n\nMillions per second on one core, {KEYS} keys in turn, median of {} rounds; and the \
         time of one as a multiple of a lookup. Target: at least 5 million.\n\n\
         | operation | millions per second | time / lookup |\n| --- | --- | --- |\n{}{}{}",
        scale.rounds,
        line("a lookup in a `HashMap<String, u64>`", &lookup),
        line("a check of the core's limiter", &bare),
        line("`RateLimiter::check` over `memory://`", &whole),
    ))
}
