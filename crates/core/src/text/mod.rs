//! Rules as text: `100/minute`, `10/second; 1000/hour`.
//!
//! ```text
//! rules    = rule *( ( ";" / "," ) rule )
//! rule     = limit ( "/" / "per" ) window
//! window   = [ count ] unit
//! ```
//!
//! `limit` and `count` are strict decimals. Words may be in upper or lower case, and blanks may stand around
//! all of them. The bounds are those of the types: what a server accepts is for it to say.

mod error;
mod parse;
#[cfg(feature = "serde")]
mod serialize;
mod unit;
mod write;

pub use error::ParseRulesError;
