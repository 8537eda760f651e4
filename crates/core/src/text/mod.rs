//! Rules as text: `100/minute`, `10/second; 1000/hour`.
//!
//! ```text
//! rules    = rule *( ( ";" / "," / "|" ) rule )
//! rule     = limit ( "/" / "per" ) window
//! window   = [ count ] unit
//! ```
//!
//! `limit` and `count` are strict decimals. Words are case-insensitive, and spaces are allowed around every token. The
//! bounds are those of the types. A server may have lower bounds. A month and a year are no units, because their length
//! varies.

mod calendar;
mod error;
mod parse;
#[cfg(feature = "serde")]
mod serialize;
mod unit;
mod write;

pub use error::ParseRulesError;
