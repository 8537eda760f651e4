//! `RL.POLICY SET|GET|DEL|LIST|EXPORT|IMPORT|HELP`

use std::ffi::CStr;
use std::time::SystemTime;

use ratelog_core::PolicyName;

use super::help::{Family, register_family};
use super::{POLICY_NAME, RULES, reply};
use crate::config;
use crate::error::Error;
use crate::request::{self, PolicySet};
use crate::server::node::{PEERS, POLICIES};
use crate::server::{Arg, ArgKind, Args, Command, Context, Registration, Spec};
use crate::state::policy_json::{self, ImportLimits};
use crate::state::{PolicyChange, PolicyEffect, PolicySummary};

const FAMILY: &CStr = c"RL.POLICY";

/// Registers the family.
///
/// # Errors
/// The name of the command that the server rejects.
pub fn register(module: &Registration) -> Result<(), String> {
    register_family::<Policies>(module)?;
    module.command::<Set>()?;
    module.command::<Get>()?;
    module.command::<Del>()?;
    module.command::<List>()?;
    module.command::<Export>()?;
    module.command::<Import>()?;
    module.command::<Sync>()
}

struct Policies;

impl Family for Policies {
    const NAME: &CStr = FAMILY;
    const SUMMARY: &CStr = c"Commands that set, read and remove policies: named lists of rules.";
    const SUBCOMMANDS: &[(&CStr, &CStr)] = &[
        (
            c"SET <name> [SHADOW] <limit> <window> [<limit> <window> ...]",
            c"Sets a policy of 1 to 16 rules. A SHADOW policy allows every check and counts those it would deny.",
        ),
        (c"GET <name>", c"Returns a policy's mode and rules."),
        (c"DEL <name>", c"Deletes a policy."),
        (c"LIST", c"Lists the names of all policies."),
        (c"EXPORT", c"Returns all policies as JSON."),
        (c"IMPORT <json>", c"Replaces all policies with those of a JSON document, or changes nothing."),
        (c"SYNC", c"Compares the policies of the cluster's primaries."),
    ];
}

/// A subcommand that reads the node's policies.
const READ: Spec = Spec {
    parent: Some(FAMILY),
    flags: c"readonly",
    acl_categories: c"ratelog read slow",
    ..Spec::COMMON
};

/// A subcommand that changes the policies.
const WRITE: Spec = Spec {
    parent: Some(FAMILY),
    flags: c"write deny-oom",
    acl_categories: c"ratelog write slow",
    ..Spec::COMMON
};

/// Applies and replicates a change. In a cluster, it also sends the change to the other nodes.
fn commit(ctx: &Context<'_>, effect: PolicyEffect) {
    let effect = match ctx.cluster_node() {
        Some(node) => {
            POLICIES.with(ctx, |policies| effect.with_version(policies, node, SystemTime::now()))
        }
        None => effect,
    };
    let (word, text) = effect.to_args();
    POLICIES.with(ctx, |policies| effect.clone().apply(policies));
    ctx.replicate_policies(word, &text);
    if let PolicyEffect::Merge(changes) = effect {
        ctx.send_policies(&changes);
    }
}

/// `RL.POLICY SET name [SHADOW] limit window [limit window ...]`
struct Set;

impl Command for Set {
    const SPEC: Spec = Spec {
        name: c"SET",
        arity: -5,
        summary: c"Sets a policy: 1 to 16 rules under a name.",
        args: &[POLICY_NAME, Arg::word(c"shadow", c"SHADOW").optional(), RULES],
        ..WRITE
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let PolicySet { name, policy } = PolicySet::parse(args, &config::bounds())?;
        let max = config::max_policies();
        let is_full = POLICIES.with(ctx, |policies| {
            policies.len() >= max && policies.get(name.as_str().as_bytes()).is_none()
        });
        if is_full {
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
        summary: c"Returns a policy's mode and rules.",
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
        summary: c"Deletes a policy.",
        args: &[POLICY_NAME],
        ..WRITE
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let mut args = args;
        let name = request::parse_policy_name(args.next().ok_or(Error::Arity)?)?;
        let exists =
            POLICIES.with(ctx, |policies| policies.get(name.as_str().as_bytes()).is_some());
        if exists {
            commit(ctx, PolicyEffect::Delete(name));
        }
        ctx.reply().integer(exists.into());
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
        summary: c"Returns all policies as JSON.",
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
        summary: c"Replaces all policies with those of a JSON document, or changes nothing.",
        complexity: c"O(P*log(P)) for P policies.",
        args: &[Arg::new(c"json", ArgKind::String)],
        ..WRITE
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let mut args = args;
        let text = args.next().ok_or(Error::Arity)?;
        let policies = {
            let limits =
                ImportLimits { policies: config::max_policies(), bounds: config::bounds() };
            policy_json::parse(text, &limits)?
        };
        let change = |(name, policy)| PolicyChange { name, version: None, policy: Some(policy) };
        commit(ctx, PolicyEffect::Load(policies.into_iter().map(change).collect()));
        ctx.reply().ok();
        Ok(())
    }
}

/// `RL.POLICY SYNC`
struct Sync;

impl Command for Sync {
    const SPEC: Spec = Spec {
        name: c"SYNC",
        arity: 2,
        tips: Some(c"nondeterministic_output"),
        summary: c"Compares the policies of the cluster's primaries.",
        complexity: c"O(N) for N nodes.",
        ..READ
    };

    fn run(ctx: &Context<'_>, _: Args<'_>) -> Result<(), Error> {
        let node = ctx.cluster_node().ok_or(Error::NoCluster)?;
        let now = ctx.now();
        let own = POLICIES.with(ctx, |policies| PolicySummary::of(policies.versions()));
        let mut nodes = PEERS.with(ctx, |peers| peers.summaries(now));
        // A replica does not send its digests. Those of a former primary are outdated.
        nodes.retain(|(other, ..)| *other != node && ctx.is_primary(*other));
        nodes.insert(0, (node, own.clone(), 0));
        reply::policy_sync(ctx, &own, &nodes);
        Ok(())
    }
}
