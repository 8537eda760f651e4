/// Why a server gave no answer that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// It did not serve this one: too slow, loading, out of memory, a part of the cluster down.
    Transient,
    /// The connection leads nowhere any more, or to a server that is no primary any more.
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
const LOST: [&str; 4] = ["DENIED", "NOAUTH", "READONLY", "WRONGPASS"];

impl FailureKind {
    /// What the code at the head of a server's error says of its absence; `None` if the server is there and refuses the
    /// command itself.
    ///
    /// ```
    /// use ratelog_client_core::FailureKind;
    ///
    /// assert_eq!(FailureKind::from_code("LOADING"), Some(FailureKind::Transient));
    /// assert_eq!(FailureKind::from_code("READONLY"), Some(FailureKind::ConnectionLost));
    /// assert_eq!(FailureKind::from_code("WRONGTYPE"), None);
    /// ```
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        if TRANSIENT.contains(&code) {
            Some(Self::Transient)
        } else if LOST.contains(&code) {
            Some(Self::ConnectionLost)
        } else {
            None
        }
    }
}
