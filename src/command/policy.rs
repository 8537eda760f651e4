//! `RL.POLICY SET|GET|DEL|LIST|EXPORT|IMPORT|HELP`

use std::ffi::CStr;

use ratelog_core::PolicyName;

use super::help::{Family, register_family};
use super::{POLICY_NAME, RULES};
use crate::config;
use crate::error::Error;
use crate::node::POLICIES;
use crate::policy_effect::PolicyEffect;
use crate::policy_json;
use crate::reply;
use crate::request::{self, PolicySet};
use crate::server::{Arg, ArgKind, Args, Command, Context, Registration, Spec};

const FAMILY: &CStr = c"RL.POLICY";

/// Registers the family.
///
/// # Errors
/// What the server did not take.
pub fn register(module: &Registration) -> Result<(), String> {
    register_family::<Policies>(module)?;
    module.command::<Set>()?;
    module.command::<Get>()?;
    module.command::<Del>()?;
    module.command::<List>()?;
    module.command::<Export>()?;
    module.command::<Import>()
}

struct Policies;

impl Family for Policies {
    const NAME: &CStr = FAMILY;
    const SUMMARY: &CStr = c"Commands about policies: named lists of rules that the server keeps.";
    const SUBCOMMANDS: &[(&CStr, &CStr)] = &[
        (
            c"SET <name> [SHADOW] <limit> <window> [<limit> <window> ...]",
            c"Keeps 1 to 16 rules under a name. SHADOW only counts what they would have denied.",
        ),
        (c"GET <name>", c"Tells a policy's mode and rules."),
        (c"DEL <name>", c"Forgets a policy."),
        (c"LIST", c"Lists the names of all policies."),
        (c"EXPORT", c"Gives all policies as JSON."),
        (c"IMPORT <json>", c"Replaces all policies by those in a JSON text, or none."),
    ];
}

/// A subcommand that reads the node's policies.
const READ: Spec = Spec {
    parent: Some(FAMILY),
    flags: c"readonly",
    acl_categories: c"ratelog read slow",
    ..Spec::COMMON
};

/// A subcommand that changes them: on every node that has keys.
const WRITE: Spec = Spec {
    parent: Some(FAMILY),
    flags: c"write deny-oom",
    acl_categories: c"ratelog write slow",
    tips: Some(c"request_policy:all_shards response_policy:all_succeeded"),
    ..Spec::COMMON
};

fn commit(ctx: &Context<'_>, effect: PolicyEffect) {
    let (word, text) = effect.words();
    POLICIES.with(ctx, |policies| effect.apply(policies));
    ctx.propagate_policies(word, &text);
}

/// `RL.POLICY SET name [SHADOW] limit window [limit window ...]`
struct Set;

impl Command for Set {
    const SPEC: Spec = Spec {
        name: c"SET",
        arity: -5,
        summary: c"Keeps rules under a name.",
        args: &[POLICY_NAME, Arg::word(c"shadow", c"SHADOW").may_be_left_out(), RULES],
        ..WRITE
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let PolicySet { name, policy } = PolicySet::parse(args, &config::bounds())?;
        let max = config::max_policies();
        let is_one_too_many = POLICIES.with(ctx, |policies| {
            policies.len() >= max && policies.get(name.as_str().as_bytes()).is_none()
        });
        if is_one_too_many {
            return Err(Error::TooManyPolicies { max });
        }
        commit(ctx, PolicyEffect::Set(name, policy));
        ctx.reply().ok();
        Ok(())
    }
}

/// `RL.POLICY GET name`
struct Get;

impl Command for Get {
    const SPEC: Spec = Spec {
        name: c"GET",
        arity: 3,
        summary: c"Tells a policy's mode and rules.",
        args: &[POLICY_NAME],
        ..READ
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let mut args = args;
        let name = request::parse_policy_name(args.next().ok_or(Error::Arity)?)?;
        let entry = POLICIES.with(ctx, |policies| policies.get(name.as_str().as_bytes()));
        reply::policy(ctx, entry.as_ref().map(|entry| &entry.policy));
        Ok(())
    }
}

/// `RL.POLICY DEL name`
struct Del;

impl Command for Del {
    const SPEC: Spec = Spec {
        name: c"DEL",
        flags: c"write",
        arity: 3,
        summary: c"Forgets a policy.",
        args: &[POLICY_NAME],
        ..WRITE
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let mut args = args;
        let name = request::parse_policy_name(args.next().ok_or(Error::Arity)?)?;
        let held = POLICIES.with(ctx, |policies| policies.get(name.as_str().as_bytes()).is_some());
        if held {
            commit(ctx, PolicyEffect::Delete(name));
        }
        ctx.reply().integer(held.into());
        Ok(())
    }
}

/// `RL.POLICY LIST`
struct List;

impl Command for List {
    const SPEC: Spec = Spec {
        name: c"LIST",
        arity: 2,
        summary: c"Lists the names of all policies.",
        complexity: c"O(P*log(P)) for P policies.",
        ..READ
    };

    fn run(ctx: &Context<'_>, _: Args<'_>) -> Result<(), Error> {
        let names: Vec<_> = POLICIES
            .with(ctx, |policies| policies.sorted().keys().map(|&name| name.clone()).collect());
        reply::names(ctx, names.iter().map(PolicyName::as_str));
        Ok(())
    }
}

/// `RL.POLICY EXPORT`
struct Export;

impl Command for Export {
    const SPEC: Spec = Spec {
        name: c"EXPORT",
        arity: 2,
        summary: c"Gives all policies as JSON.",
        complexity: c"O(P*log(P)) for P policies.",
        ..READ
    };

    fn run(ctx: &Context<'_>, _: Args<'_>) -> Result<(), Error> {
        let text = POLICIES.with(ctx, |policies| policies.to_json());
        ctx.reply().string(text.as_bytes());
        Ok(())
    }
}

/// `RL.POLICY IMPORT json`
struct Import;

impl Command for Import {
    const SPEC: Spec = Spec {
        name: c"IMPORT",
        arity: 3,
        summary: c"Replaces all policies by those in a JSON text, or none.",
        complexity: c"O(P*log(P)) for P policies.",
        args: &[Arg::new(c"json", ArgKind::String)],
        ..WRITE
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let mut args = args;
        let text = args.next().ok_or(Error::Arity)?;
        let policies = policy_json::read(text, &config::allowance())?;
        commit(ctx, PolicyEffect::Load(policies));
        ctx.reply().ok();
        Ok(())
    }
}
