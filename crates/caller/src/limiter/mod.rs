mod absence;
mod breaker;
mod clock;
mod denials;
mod granted;
mod local;
mod policies;
mod probes;
mod terms;

pub use absence::Absence;
pub use breaker::{Breaker, History, State};
pub use clock::Clock;
pub use denials::{Denials, Ticket};
pub use granted::{Grant, granted};
pub use local::Local;
pub use policies::Policies;
pub use probes::Probes;
pub use terms::{Held, Terms, UnknownPolicy, told_under};
