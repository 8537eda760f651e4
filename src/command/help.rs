use std::ffi::CStr;
use std::marker::PhantomData;

use crate::error::Error;
use crate::reply;
use crate::server::{Args, Command, Context, Spec};

/// Commands that are called by a name in common and a subcommand.
pub trait Family {
    /// The name in common.
    const NAME: &'static CStr;
    /// Each subcommand: how it is called, and what it does. Without `HELP`, which each family has.
    const SUBCOMMANDS: &'static [(&'static CStr, &'static CStr)];
}

/// `HELP` of a family: what somebody at a prompt wants to know.
pub struct Help<F>(PhantomData<F>);

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
