//! A server's policies, for comparison with another server or another time.

use super::Client;

/// Returns all policies as text, and their digest from `INFO`.
pub fn policies(db: &mut Client) -> (String, String) {
    (db.run("RL.POLICY EXPORT"), db.info("rl_policies_digest"))
}

/// Sets a few policies of all kinds. A different `mark` gives different policies.
pub fn set_policies(db: &mut Client, mark: usize) {
    for line in ["api/search 100 1m 1000 1h", "trial SHADOW 5 10", "long 1 366d"] {
        db.run::<()>(&format!("RL.POLICY SET {line} {} 1500ms", 7 + mark));
    }
    db.run::<()>(&format!("RL.POLICY SET of:{mark} 9 1h"));
}
