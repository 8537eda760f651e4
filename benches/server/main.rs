//! Ratelog side by side with what people run today, in one server, on one machine.
#![allow(missing_docs)]
fn main() {}
