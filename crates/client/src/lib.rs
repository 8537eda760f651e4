//! Exact rate limits from Ratelog, for Rust services.
#![forbid(unsafe_code)]
