//! How long a key may outlive its last unit.

/// At most so many milliseconds, and never more than a part of its retention.
pub const MAX_EXPIRY_DELAY_MS: i64 = 5_000;
