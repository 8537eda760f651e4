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
    /// Classifies a server's error by its text, with or without a leading `ERR`; `None` if the server is available and
    /// rejects the command itself.
    ///
    /// Before Redis 7, an error of a script contains the error of the command that failed in it.
    ///
    /// ```
    /// use ratelog_client_core::engine::FailureKind;
    ///
    /// let kind = FailureKind::from_message("LOADING Redis is loading the dataset in memory");
    /// assert_eq!(kind, Some(FailureKind::Transient));
    /// let kind = FailureKind::from_message(
    ///     "ERR Error running script (call to f_58de): @user_script:7: @user_script: 7: -READONLY You can't write",
    /// );
    /// assert_eq!(kind, Some(FailureKind::ConnectionLost));
    /// assert_eq!(FailureKind::from_message("WRONGTYPE Operation against a key"), None);
    /// ```
    #[must_use]
    pub fn from_message(message: &str) -> Option<Self> {
        let message = message.strip_prefix("ERR ").unwrap_or(message);
        if message.starts_with("Error running script ") {
            return message.split(": ").skip(1).find_map(Self::from_code);
        }
        Self::from_code(message)
    }

    /// Classifies the code at the start of a text.
    fn from_code(text: &str) -> Option<Self> {
        let code = text.split([' ', '\r', '\n']).next()?;
        let code = code.strip_prefix('-').unwrap_or(code);
        if TRANSIENT.contains(&code) {
            Some(Self::Transient)
        } else if CONNECTION_LOST.contains(&code) {
            Some(Self::ConnectionLost)
        } else {
            None
        }
    }
}
