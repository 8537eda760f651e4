//! The script's sorted set, as a test reads it.

use ratelog_test_support::Client;

/// The name of a key's log.
pub fn name(key: &str) -> String {
    format!("{key}:ratelog-log")
}

/// `(instant, units)` of every hit in the set, including expired ones, oldest first; empty if there is no set.
///
/// An instant before the epoch, which only a clock step there causes, is returned as the epoch, as in the core.
pub fn hits(db: &mut Client, key: &str) -> Vec<(i64, u64)> {
    let members: Vec<(String, f64)> = db.run(["ZRANGE", &name(key), "0", "-1", "WITHSCORES"]);
    let (mut hits, mut offset, mut before) = (Vec::new(), 0, 0);
    for (member, score) in members {
        #[allow(clippy::cast_possible_truncation, reason = "it is whole, and far from 2^53")]
        let score = score as i64;
        match member.as_str() {
            "retention" => {}
            "offset" => offset = -score,
            "base" => before = score.unsigned_abs(),
            total => {
                let total: u64 = total.parse().unwrap();
                hits.push(((score - offset).max(0), total - before));
                before = total;
            }
        }
    }
    hits
}
