//! Builds logs as they are after long use, with the module's effect command.

use redis::Connection;

use crate::Outcome;

const MILLION: i64 = 1_000_000;

/// Units at past instants, oldest first, retained for one window.
pub struct Fill {
    pub oldest_ms: i64,
    /// The gap between units. A pseudo-random part of it varies.
    pub step_ms: i64,
    pub units: i64,
    pub window_ms: i64,
}

impl Fill {
    /// A million units at a million instants that end now.
    pub fn million(now_ms: i64, window_ms: i64) -> Self {
        let oldest_ms = now_ms - MILLION;
        Self { oldest_ms, step_ms: 1, units: MILLION, window_ms }
    }

    /// Records the units at a key with one effect each.
    pub fn apply(&self, connection: &mut Connection, key: &str) -> Outcome<()> {
        let mut seed = 0x2545_F491_4F6C_DD1D_u64;
        let mut instant = self.oldest_ms;
        let mut left = self.units;
        while left > 0 {
            let mut pipeline = redis::pipe();
            for _ in 0..left.min(10_000) {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let jitter = i64::try_from(seed >> 40)? % self.step_ms;
                pipeline
                    .cmd("RL._RECORD")
                    .arg(instant + jitter)
                    .arg(1)
                    .arg(key)
                    .arg(self.window_ms)
                    .ignore();
                instant += self.step_ms;
                left -= 1;
            }
            pipeline.exec(connection)?;
        }
        Ok(())
    }
}

/// Returns the server's time in whole milliseconds.
pub fn now_ms(connection: &mut Connection) -> Outcome<i64> {
    let (seconds, micros): (i64, i64) = redis::cmd("TIME").query(connection)?;
    Ok(seconds * 1000 + micros / 1000)
}
