//! The counts of the last minutes and of the last day.

mod bucket;
mod ring;
mod series;

pub use bucket::Bucket;
pub use series::{Range, Series};
