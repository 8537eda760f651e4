/// How a server failed to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The server did not answer this command: it is too slow, loading, out of memory, or a part of its cluster is
    /// down.
    Transient,
    /// The connection is of no use any more: it is closed, not authenticated, or leads to a replica.
    ConnectionLost,
}

const TRANSIENT: [&str; 11] = [
    "ASK",
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOREPLICAS",
    "OOM",
    "TRYAGAIN",
    "UNKILLABLE",
];
const CONNECTION_LOST: [&str; 4] = ["DENIED", "NOAUTH", "READONLY", "WRONGPASS"];

impl FailureKind {
    /// Classifies the code at the start of a server's error; `None` if the server is available and rejects the command
    /// itself.
    ///
    /// ```
    /// use ratelog_client_core::engine::FailureKind;
    ///
    /// assert_eq!(FailureKind::from_code("LOADING"), Some(FailureKind::Transient));
    /// assert_eq!(FailureKind::from_code("READONLY"), Some(FailureKind::ConnectionLost));
    /// assert_eq!(FailureKind::from_code("WRONGTYPE"), None);
    /// ```
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        if TRANSIENT.contains(&code) {
            Some(Self::Transient)
        } else if CONNECTION_LOST.contains(&code) {
            Some(Self::ConnectionLost)
        } else {
            None
        }
    }
}
