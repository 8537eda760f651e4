//! Keeps the policies of a cluster's primaries equal, over the cluster bus.
//!
//! A primary sends each change to all nodes. The bus does not keep messages for nodes that are away. So each primary also
//! sends the digests of its policies every second, and a primary that has other digests answers with the policies that
//! differ. Changes have versions, and each primary keeps the greatest, so all end with the same policies in whatever order
//! messages arrive. A primary applies what it receives as an effect of its own, and its replicas follow that.

use std::ffi::{c_char, c_uchar, c_void};
use std::ptr::null_mut;
use std::time::SystemTime;

use redis_module::raw::{self, RedisModuleCtx};

use crate::server::api::{Context, MessageKind, api, guard, node_id};
use crate::server::node::{PEERS, POLICIES};
use crate::state::policy_json;
use crate::state::{NodeId, PolicyChange, PolicyEffect, PolicySummary};

/// The time between two messages with digests, in milliseconds.
const PERIOD_MS: i64 = 1_000;
/// The maximum number of changes in one message.
const MAX_CHANGES: usize = 200;

/// Registers the receivers and starts the timer. Does nothing outside a cluster.
pub(super) fn register(ctx: &Context<'_>) {
    if ctx.flags() & raw::REDISMODULE_CTX_FLAGS_CLUSTER == 0 {
        return;
    }
    // SAFETY: called while the module is loaded, with its context and static functions.
    unsafe {
        let register = api!(RedisModule_RegisterClusterMessageReceiver);
        register(ctx.raw, MessageKind::Changes as u8, Some(on_changes));
        register(ctx.raw, MessageKind::Digests as u8, Some(on_digests));
    }
    start_timer(ctx);
}

impl Context<'_> {
    /// Sends changes of the policies to the other nodes.
    pub fn send_policies(&self, changes: &[PolicyChange]) {
        send_changes(self, None, changes);
    }
}

fn send_changes(ctx: &Context<'_>, target: Option<NodeId>, changes: &[PolicyChange]) {
    for part in changes.chunks(MAX_CHANGES) {
        let text = policy_json::format_changes(part);
        ctx.send(target, MessageKind::Changes, text.as_bytes());
    }
}

fn start_timer(ctx: &Context<'_>) {
    // SAFETY: the context is that of the current call. The function is static and takes no data.
    unsafe { api!(RedisModule_CreateTimer)(ctx.raw, PERIOD_MS, Some(on_timer), null_mut()) };
}

unsafe extern "C" fn on_timer(ctx: *mut RedisModuleCtx, _: *mut c_void) {
    guard((), || {
        // SAFETY: the server passes the context of this call.
        let ctx = unsafe { Context::new(ctx) };
        start_timer(&ctx);
        // Nobody may ask for the summaries, and the nodes of a cluster come and go.
        PEERS.with(&ctx, |peers| peers.remove_old(ctx.now()));
        let Some(node) = ctx.cluster_node().filter(|_| may_change(&ctx)) else { return };
        // Policies of a server that was not in a cluster have no versions.
        let adopted = POLICIES.with(&ctx, |policies| policies.without_version(node));
        apply(&ctx, adopted);
        let summary = POLICIES.with(&ctx, |policies| PolicySummary::of(policies.versions()));
        ctx.send(None, MessageKind::Digests, &summary.to_bytes());
    });
}

unsafe extern "C" fn on_changes(
    ctx: *mut RedisModuleCtx,
    _: *const c_char,
    _: u8,
    payload: *const c_uchar,
    len: u32,
) {
    guard((), || {
        // SAFETY: the server passes the context and the bytes of this call.
        let (ctx, bytes) = unsafe { (Context::new(ctx), payload_bytes(payload, len)) };
        if may_change(&ctx)
            && let Ok(mut changes) = policy_json::parse_changes(bytes)
        {
            // Without a version, a change would replace any other.
            let now = SystemTime::now();
            changes.retain(|change| {
                change.version.is_some_and(|version| !version.is_of_the_distant_future(now))
            });
            apply(&ctx, changes);
        }
    });
}

unsafe extern "C" fn on_digests(
    ctx: *mut RedisModuleCtx,
    sender: *const c_char,
    _: u8,
    payload: *const c_uchar,
    len: u32,
) {
    guard((), || {
        // SAFETY: the server passes the context, the sender's ID and the bytes of this call.
        let (ctx, sender, bytes) =
            unsafe { (Context::new(ctx), node_id(sender), payload_bytes(payload, len)) };
        let (Some(sender), Some(theirs)) = (sender, PolicySummary::from_bytes(bytes)) else {
            return;
        };
        if may_change(&ctx) {
            let differing = POLICIES.with(&ctx, |policies| {
                let ours = PolicySummary::of(policies.versions());
                if ours.digests == theirs.digests {
                    return Vec::new();
                }
                policies.changes_in(|bucket| ours.digests.get(bucket) != theirs.digests.get(bucket))
            });
            send_changes(&ctx, Some(sender), &differing);
        }
        let now = ctx.now();
        PEERS.with(&ctx, |peers| peers.insert(sender, theirs, now));
    });
}

/// Applies the changes that are new to this node, as an effect.
fn apply(ctx: &Context<'_>, changes: Vec<PolicyChange>) {
    let new = POLICIES.with(ctx, |policies| {
        let new = changes.into_iter().filter(|change| policies.merge(change.clone()));
        new.collect::<Vec<_>>()
    });
    if !new.is_empty() {
        let (word, text) = PolicyEffect::Merge(new).to_args();
        ctx.replicate_policies(word, &text);
    }
}

/// Returns whether this node may change its policies now. A replica follows its primary, a server that loads a dataset
/// would lose the change, and while clients are paused nothing may enter the stream. The next digests make up for it.
fn may_change(ctx: &Context<'_>) -> bool {
    let flags = ctx.flags();
    // SAFETY: the function takes no arguments. It returns whether clients are paused.
    let is_paused = unsafe { api!(RedisModule_AvoidReplicaTraffic)() } != 0;
    flags & raw::REDISMODULE_CTX_FLAGS_MASTER != 0
        && flags & raw::REDISMODULE_CTX_FLAGS_LOADING == 0
        && !is_paused
}

/// # Safety
/// `payload` must point to `len` bytes that live for the call.
unsafe fn payload_bytes<'a>(payload: *const c_uchar, len: u32) -> &'a [u8] {
    // SAFETY: the caller guarantees it.
    unsafe { std::slice::from_raw_parts(payload, usize::try_from(len).unwrap_or_default()) }
}
