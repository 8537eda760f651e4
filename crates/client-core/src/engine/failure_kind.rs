/// Why a server gave no answer that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Absence {
    /// It did not serve this one: too slow, loading, out of memory, a part of the cluster down.
    Unserved,
    /// The connection leads nowhere any more, or to a server that is no primary any more.
    Lost,
}

const UNSERVED: [&str; 11] = [
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

impl Absence {
    /// What the code at the head of a server's error says of its absence; `None` if the server is there and refuses the
    /// command itself.
    ///
    /// ```
    /// use ratelog_client_core::Absence;
    ///
    /// assert_eq!(Absence::of_code("LOADING"), Some(Absence::Unserved));
    /// assert_eq!(Absence::of_code("READONLY"), Some(Absence::Lost));
    /// assert_eq!(Absence::of_code("WRONGTYPE"), None);
    /// ```
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        if UNSERVED.contains(&code) {
            Some(Self::Unserved)
        } else if LOST.contains(&code) {
            Some(Self::Lost)
        } else {
            None
        }
    }
}
