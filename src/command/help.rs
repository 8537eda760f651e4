use std::ffi::CStr;
use std::marker::PhantomData;

use crate::error::Error;
use crate::reply;
use crate::server::{Args, Command, Context, Registration, Spec};

/// Commands that are called by a name in common and a subcommand.
pub trait Family {
    /// The name in common.
    const NAME: &'static CStr;
    /// One sentence.
    const SUMMARY: &'static CStr;
    /// Each subcommand: how it is called, and what it does. Without `HELP`, which each family has.
    const SUBCOMMANDS: &'static [(&'static CStr, &'static CStr)];
}

/// Registers the name in common and `HELP`; the other subcommands follow.
///
/// # Errors
/// What the server did not take.
pub fn register_family<F: Family>(module: &Registration) -> Result<(), String> {
    module.family(&Spec {
        name: F::NAME,
        acl_categories: c"ratelog",
        arity: -2,
        summary: F::SUMMARY,
        complexity: c"Depends on the subcommand.",
        ..Spec::COMMON
    })?;
    module.command::<Help<F>>()
}

/// `HELP` of a family: what somebody at a prompt wants to know.
struct Help<F>(PhantomData<F>);

impl<F: Family> Command for Help<F> {
    const SPEC: Spec = Spec {
        parent: Some(F::NAME),
        name: c"HELP",
        acl_categories: c"ratelog slow",
        arity: 2,
        summary: c"Tells the subcommands.",
        ..Spec::COMMON
    };

    fn run(ctx: &Context<'_>, _: Args<'_>) -> Result<(), Error> {
        reply::help(ctx, F::NAME, F::SUBCOMMANDS);
        Ok(())
    }
}
