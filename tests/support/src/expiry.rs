//! The time that a key may remain after its last unit expired.

/// The maximum in milliseconds. It is never more than a part of the key's retention.
pub const MAX_EXPIRY_DELAY_MS: i64 = 5_000;
