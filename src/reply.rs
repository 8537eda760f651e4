//! What the commands answer.

use ratelog_core::{Decision, Hit, Instant, wire};

use crate::server::{Context, Reply};
use crate::value::Value;

/// The decision's six integers.
pub fn decision(ctx: &Context<'_>, decision: &Decision) {
    let reply = ctx.reply();
    let fields = wire::encode(decision);
    reply.array(fields.len());
    for field in fields {
        reply.integer(field);
    }
}

/// The hits as pairs of instant and units.
pub fn hits(ctx: &Context<'_>, hits: &[Hit]) {
    let reply = ctx.reply();
    reply.array(hits.len());
    for hit in hits {
        reply.array(2);
        reply.integer(hit.instant.unix_millis());
        reply.integer(hit.units.cast_signed());
    }
}

/// What a key holds at `now`; nothing if that is nothing.
pub fn inspection(ctx: &Context<'_>, value: Option<&Value>, now: Instant) {
    let reply = ctx.reply();
    let Some(value) = value else {
        return reply.null();
    };
    let view = value.log.at(now);
    let (Some(oldest), Some(newest)) = (view.oldest(), view.newest()) else {
        return reply.null();
    };
    let field = |reply: &Reply<'_>, name: &str, value: i64| {
        reply.string(name);
        reply.integer(value);
    };
    reply.map(6);
    field(&reply, "units", view.units().cast_signed());
    field(&reply, "oldest_ms", oldest.unix_millis());
    field(&reply, "newest_ms", newest.unix_millis());
    field(&reply, "retention_ms", value.log.retention().cast_signed());
    field(&reply, "bytes", i64::try_from(value.bytes()).unwrap_or(i64::MAX));
    reply.string("override");
    reply.null();
}
