//! What HTTP responses say about limits.

mod hint;
mod quota;
mod when;

pub use hint::Hint;
