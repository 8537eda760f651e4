//! The commands that check, read and change keys.

mod arguments;
mod cases;
mod check;
mod clock_step;
mod concurrency;
mod denied_by_rule;
mod denied_event;
mod differential;
mod events;
mod expiry;
mod explain;
mod info;
mod inspect;
mod keywords;
mod mcheck;
mod mcheck_differential;
mod mcheck_effects;
mod memory;
mod peek;
mod refund;
mod reset;
mod rules;
mod sliding;
mod stats;
mod top;
