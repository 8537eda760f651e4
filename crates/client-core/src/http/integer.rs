//! Integers in headers.

use sfv::Integer;

/// Whole seconds, rounded up, at least 1.
pub(super) fn seconds(millis: u64) -> u64 {
    millis.div_ceil(1_000).max(1)
}

/// The Integer of RFC 9651 with this value. It has at most fifteen digits, so greater values are reduced to the
/// maximum.
pub(super) fn integer(value: u64) -> Integer {
    Integer::try_from(value).unwrap_or(Integer::MAX)
}
