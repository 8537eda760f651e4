use std::ffi::{CStr, CString, c_int};
use std::ptr::{null, null_mut};

use redis_module::raw;

use super::{Context, api};
use crate::state::NodeId;

/// A message between the nodes of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum MessageKind {
    /// Changes of policies.
    Changes = 1,
    /// The digests of the sender's policies.
    Digests = 2,
}

impl Context<'_> {
    /// Returns this node's ID, or `None` outside a cluster.
    pub fn cluster_node(&self) -> Option<NodeId> {
        if self.flags() & raw::REDISMODULE_CTX_FLAGS_CLUSTER == 0 {
            return None;
        }
        // SAFETY: the function takes no arguments. It returns the node's ID in static memory, or null outside a cluster.
        unsafe {
            let id = api!(RedisModule_GetMyClusterID)();
            if id.is_null() { None } else { node_id(id) }
        }
    }

    /// Returns whether this node knows the node `id` as a primary of the cluster.
    pub fn is_primary(&self, id: NodeId) -> bool {
        let Ok(id) = CString::new(id.as_str()) else { return false };
        let mut flags: c_int = 0;
        // SAFETY: the context is that of the current call, the ID ends with a zero byte, and the server writes the flags.
        // It accepts null for what is not requested.
        let status = unsafe {
            api!(RedisModule_GetClusterNodeInfo)(
                self.raw,
                id.as_ptr(),
                null_mut(),
                null_mut(),
                null_mut(),
                &raw mut flags,
            )
        };
        let is_known = status == c_int::try_from(raw::REDISMODULE_OK).unwrap_or_default();
        is_known && flags.unsigned_abs() & raw::REDISMODULE_NODE_MASTER != 0
    }

    /// Sends a message to `target`, or to all nodes. A node that is not connected does not receive it.
    pub(in crate::server) fn send(&self, target: Option<NodeId>, kind: MessageKind, bytes: &[u8]) {
        // The server reads the ID up to a zero byte.
        let target = target.map(|id| CString::new(id.as_str()).unwrap_or_default());
        let target = target.as_deref().map_or(null(), CStr::as_ptr);
        let Ok(len) = u32::try_from(bytes.len()) else { return };
        // SAFETY: the context is that of the current call, and the server copies the bytes.
        unsafe {
            api!(RedisModule_SendClusterMessage)(
                self.raw,
                target,
                kind as u8,
                bytes.as_ptr().cast(),
                len,
            );
        }
    }
}

/// Reads an ID.
///
/// # Safety
/// `id` must point to the digits of an ID.
pub(in crate::server) unsafe fn node_id(id: *const std::ffi::c_char) -> Option<NodeId> {
    // SAFETY: the caller guarantees it.
    NodeId::parse(unsafe { std::slice::from_raw_parts(id.cast(), NodeId::LEN) })
}
