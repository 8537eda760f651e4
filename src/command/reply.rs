//! The replies of the commands.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::rc::Rc;
use std::sync::Arc;

use ratelog_core::{
    Action, DecidedBy, Decision, Explanation, Hit, Instant, Mode, Override, Policy, PolicyName,
    Rules, wire,
};

use crate::monitor::{Counts, HeavyKey};
use crate::server::{Context, Reply};
use crate::state::{KeyLocation, NodeId, OverrideId, PolicyEntry, PolicySummary, Value};

/// Replies with the decision's six integers.
pub fn decision(ctx: &Context<'_>, decision: &Decision) {
    let reply = ctx.reply();
    let fields = wire::encode(decision);
    reply.array(fields.len());
    for field in fields {
        reply.integer(field);
    }
}

/// Replies with hits, as pairs of time and units.
pub fn hits(ctx: &Context<'_>, hits: &[Hit]) {
    let reply = ctx.reply();
    reply.array(hits.len());
    for hit in hits {
        reply.array(2);
        reply.integer(hit.instant.unix_millis());
        reply.integer(hit.units.cast_signed());
    }
}

/// Replies with several decisions.
pub fn decisions(ctx: &Context<'_>, decisions: impl ExactSizeIterator<Item = Decision>) {
    ctx.reply().array(decisions.len());
    for each in decisions {
        decision(ctx, &each);
    }
}

/// Replies with the decision of each rule, that of the check, and what decided.
pub fn explanation(
    ctx: &Context<'_>,
    explanation: &Explanation,
    found: Option<&Override>,
    now: Instant,
) {
    let reply = ctx.reply();
    let evaluation = &explanation.evaluation;
    reply.map(5);
    reply.string("rules");
    decisions(ctx, explanation.by_rule.iter().copied());
    reply.string("decision");
    decision(ctx, &evaluation.decision);
    reply.string("decided_by");
    reply.string(match evaluation.decided_by {
        DecidedBy::Rules => "rules",
        DecidedBy::Shadow => "shadow",
        DecidedBy::Override => "override",
    });
    reply.string("rule");
    match explanation.binding.and_then(|index| i64::try_from(index).ok()) {
        Some(index) => reply.integer(index),
        None => reply.null(),
    }
    reply.string("override");
    key_override(&reply, found, now);
}

/// Replies with the state of a key at `now`, or null if the key has neither units nor an override.
pub fn inspection(ctx: &Context<'_>, value: Option<&Value>, now: Instant) {
    let reply = ctx.reply();
    let Some(value) = value.filter(|value| !value.is_empty_at(now)) else {
        return reply.null();
    };
    let view = value.log.at(now);
    reply.map(6);
    field(&reply, "units", view.units().cast_signed());
    for (name, instant) in [("oldest_ms", view.oldest()), ("newest_ms", view.newest())] {
        reply.string(name);
        match instant {
            Some(instant) => reply.integer(instant.unix_millis()),
            None => reply.null(),
        }
    }
    field(&reply, "retention_ms", value.log.retention().cast_signed());
    field(&reply, "bytes", i64::try_from(value.bytes()).unwrap_or(i64::MAX));
    reply.string("override");
    key_override(&reply, value.live_override(now), now);
}

/// Replies with an override at `now`, or null if there is none.
pub fn key_override(reply: &Reply<'_>, found: Option<&Override>, now: Instant) {
    let Some(found) = found else {
        return reply.null();
    };
    reply.map(3);
    override_fields(reply, found, now);
}

/// Replies with a page of overrides: the cursor of the next page, or 0 at the end, and the overrides with their keys.
pub fn overrides(
    ctx: &Context<'_>,
    next: Option<OverrideId>,
    overrides: &[(KeyLocation, Arc<Override>)],
    now: Instant,
) {
    let reply = ctx.reply();
    reply.array(2);
    reply.string(next.map_or(0, OverrideId::get).to_string());
    reply.array(overrides.len());
    for ((database, name), found) in overrides {
        reply.map(5);
        reply.string("key");
        reply.string(name);
        field(&reply, "database", i64::from(*database));
        override_fields(&reply, found, now);
    }
}

fn override_fields(reply: &Reply<'_>, found: &Override, now: Instant) {
    let action = match &found.action {
        Action::Allow => "allow",
        Action::Deny => "deny",
        Action::Limit(_) => "limit",
    };
    reply.string("action");
    reply.string(action);
    reply.string("rules");
    match &found.action {
        Action::Limit(override_rules) => rules(reply, override_rules),
        Action::Allow | Action::Deny => reply.array(0),
    }
    let ttl = |until: Instant| until.unix_millis() - now.unix_millis();
    field(reply, "ttl_ms", found.until.map_or(-1, ttl));
}

/// Writes rules as pairs of limit and window in milliseconds.
fn rules(reply: &Reply<'_>, rules: &Rules) {
    reply.array(rules.iter().count());
    for rule in rules.iter() {
        reply.array(2);
        reply.integer(rule.limit().units().cast_signed());
        reply.integer(rule.window().millis().cast_signed());
    }
}

/// Replies with a policy, or null if it does not exist.
pub fn policy(ctx: &Context<'_>, policy: Option<&Policy>) {
    let reply = ctx.reply();
    let Some(policy) = policy else {
        return reply.null();
    };
    reply.map(2);
    reply.string("mode");
    reply.string(match policy.mode {
        Mode::Enforce => "enforce",
        Mode::Shadow => "shadow",
    });
    reply.string("rules");
    rules(&reply, &policy.rules);
}

/// Replies with the nodes' summaries of their policies and the ages of the summaries. `own` is that of this node.
pub fn policy_sync(ctx: &Context<'_>, own: &PolicySummary, nodes: &[(NodeId, PolicySummary, i64)]) {
    let reply = ctx.reply();
    reply.array(nodes.len());
    for (node, summary, age) in nodes {
        reply.map(5);
        reply.string("node");
        reply.string(node.as_str());
        field(&reply, "version", summary.counter.cast_signed());
        reply.string("digest");
        reply.string(summary.digest());
        field(&reply, "equal", (summary == own).into());
        field(&reply, "age_ms", *age);
    }
}

/// Replies with a list of names.
pub fn names<'a>(ctx: &Context<'_>, names: impl ExactSizeIterator<Item = &'a str>) {
    let reply = ctx.reply();
    reply.array(names.len());
    for name in names {
        reply.string(name);
    }
}

/// Replies with the total counts and the counts of each policy.
pub fn stats(
    ctx: &Context<'_>,
    totals: &Counts,
    policies: &BTreeMap<&PolicyName, &Rc<PolicyEntry>>,
) {
    let reply = ctx.reply();
    let totals = totals.fields();
    reply.map(totals.len() + 1);
    for (name, count) in totals {
        field(&reply, name, count.cast_signed());
    }
    reply.string("policies");
    reply.map(policies.len());
    for (name, entry) in policies {
        let (counts, denied_by_rule) = (entry.counts().fields(), entry.denied_by_rule());
        reply.string(name.as_str());
        reply.map(counts.len() + 1);
        for (name, count) in counts {
            field(&reply, name, count.cast_signed());
        }
        reply.string("denied_by_rule");
        reply.array(denied_by_rule.len());
        for count in denied_by_rule {
            reply.integer(count.cast_signed());
        }
    }
}

/// Replies with the heaviest keys, as pairs of key and count.
pub fn top(ctx: &Context<'_>, heaviest: &[HeavyKey<'_>]) {
    let reply = ctx.reply();
    reply.array(heaviest.len());
    for heavy in heaviest {
        reply.array(2);
        reply.string(heavy.name);
        reply.integer(heavy.count.cast_signed());
    }
}

/// Replies with the syntax and the description of a family's subcommands, in the layout of the server's own commands.
pub fn help(ctx: &Context<'_>, family: &CStr, subcommands: &[(&CStr, &CStr)]) {
    let reply = ctx.reply();
    let line = |parts: &[&CStr]| {
        let text = parts.iter().flat_map(|part| part.to_bytes().iter().copied());
        reply.status(&CString::new(text.collect::<Vec<_>>()).unwrap_or_default());
    };
    reply.array(1 + 2 * (subcommands.len() + 1));
    line(&[family, c" <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]);
    for (syntax, description) in subcommands.iter().chain(&[(c"HELP", c"Print this help.")]) {
        line(&[syntax]);
        line(&[c"    ", description]);
    }
}

fn field(reply: &Reply<'_>, name: &str, value: i64) {
    reply.string(name);
    reply.integer(value);
}
