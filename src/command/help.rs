use std::ffi::CStr;
use std::marker::PhantomData;

use super::reply;
use crate::error::Error;
use crate::server::{Args, Command, Context, Registration, Spec};

/// A group of commands with a common name. Each command is called by its subcommand.
pub trait Family {
    /// The common name.
    const NAME: &'static CStr;
    /// The summary, in one sentence.
    const SUMMARY: &'static CStr;
    /// The syntax and the description of each subcommand. Every family has `HELP`, so `HELP` is not listed.
    const SUBCOMMANDS: &'static [(&'static CStr, &'static CStr)];
}

/// Registers the common name and `HELP`. The caller registers the other subcommands.
///
/// # Errors
/// The name of the command that the server rejects.
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

/// The `HELP` subcommand of a family.
struct Help<F>(PhantomData<F>);

impl<F: Family> Command for Help<F> {
    const SPEC: Spec = Spec {
        parent: Some(F::NAME),
        name: c"HELP",
        acl_categories: c"ratelog slow",
        arity: 2,
        summary: c"Lists the subcommands.",
        ..Spec::COMMON
    };

    fn run(ctx: &Context<'_>, _: Args<'_>) -> Result<(), Error> {
        reply::help(ctx, F::NAME, F::SUBCOMMANDS);
        Ok(())
    }
}
