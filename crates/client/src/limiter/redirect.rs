//! The errors of a cluster's node that name the node to ask instead.

use redis::{ErrorKind, ServerErrorKind};

use crate::Error;

/// The most redirects that a query follows. One moves to a slot's new owner, and one more finds it in migration.
pub(crate) const MAX_REDIRECTS: usize = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redirect {
    pub(crate) slot: u16,
    /// The node's address, `host:port`. The host is empty if it is that of the node that answered.
    pub(crate) address: String,
    /// Whether it is an `ASK` error, which concerns one command. A `MOVED` error concerns the slot.
    pub(crate) is_ask: bool,
}

impl Redirect {
    pub(crate) fn from_error(error: &Error) -> Option<Self> {
        let Error::Redis(error) = error else { return None };
        let (address, slot) = error.redirect_node()?;
        let (host, port) = address.rsplit_once(':')?;
        // The name of a node that the cluster does not know yet.
        if host == "?" {
            return None;
        }
        port.parse::<u16>().ok()?;
        let is_ask = error.kind() == ErrorKind::Server(ServerErrorKind::Ask);
        Some(Self { slot, address: address.to_owned(), is_ask })
    }

    /// The address, `host:port`, if a node with this host has answered.
    pub(crate) fn address_for(&self, answering_host: &str) -> String {
        let host = if self.address.starts_with(':') { answering_host } else { "" };
        format!("{host}{}", self.address)
    }
}

#[cfg(test)]
mod tests {
    use redis::{RedisError, ServerErrorKind};

    use super::Redirect;
    use crate::Error;

    fn redirect(kind: ServerErrorKind, detail: &str) -> Option<Redirect> {
        Redirect::from_error(&Error::Redis(RedisError::from((kind.into(), "", detail.to_owned()))))
    }

    #[test]
    fn only_redirects_are_read() {
        let moved = redirect(ServerErrorKind::Moved, "3999 192.0.2.1:6381").unwrap();
        assert_eq!((moved.slot, &*moved.address, moved.is_ask), (3999, "192.0.2.1:6381", false));
        let ask = redirect(ServerErrorKind::Ask, "3999 :6381").unwrap();
        assert_eq!((ask.slot, &*ask.address, ask.is_ask), (3999, ":6381", true));
        assert_eq!(moved.address_for("192.0.2.9"), "192.0.2.1:6381");
        assert_eq!(ask.address_for("192.0.2.9"), "192.0.2.9:6381");
        assert_eq!(redirect(ServerErrorKind::Moved, "3999"), None);
        assert_eq!(redirect(ServerErrorKind::Moved, "3999 ?:6381"), None);
        assert_eq!(redirect(ServerErrorKind::Moved, "3999 192.0.2.1"), None);
        assert_eq!(redirect(ServerErrorKind::TryAgain, "3999 192.0.2.1:6381"), None);
    }
}
