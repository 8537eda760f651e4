//! The commands, a file each: parse, open, decide, effect, reply.

mod apply;
mod check;
mod hits;
mod inspect;
mod peek;
mod refund;
mod reset;

pub use apply::Apply;
pub use check::Check;
pub use hits::Hits;
pub use inspect::Inspect;
pub use peek::Peek;
pub use refund::Refund;
pub use reset::Reset;

use crate::server::{Arg, ArgKind};

const COST: Arg = Arg::new(c"cost", ArgKind::Integer).optional(c"COST");

/// `limit window [limit window ...] [COST n]`
const RULES_AND_COST: &[Arg] = &[
    Arg::new(
        c"rule",
        ArgKind::Block(&[
            Arg::new(c"limit", ArgKind::Integer),
            Arg::new(c"window", ArgKind::String),
        ]),
    )
    .repeated(),
    COST,
];
