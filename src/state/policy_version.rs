use std::fmt;
use std::time::{Duration, SystemTime};

/// The ID of a cluster node: 40 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; Self::LEN]);

/// The version of a policy, or of its deletion. Of two versions of one policy, all nodes keep the greater one.
///
/// Each change gets a counter above all counters that its node has seen, and no less than the time in microseconds. Nodes
/// that change a policy at the same time may choose the same counter; then the greater ID decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyVersion {
    /// The counter.
    pub counter: u64,
    /// The node that made the change.
    pub node: NodeId,
}

impl NodeId {
    /// The number of digits.
    pub const LEN: usize = 40;

    /// Parses an ID. Returns `None` unless it has 40 lower-case hexadecimal digits.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        text.iter().all(is_digit).then(|| text.try_into().ok().map(Self)).flatten()
    }

    /// Returns the ID as text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PolicyVersion {
    /// The greatest counter. No real counter comes near it.
    pub const MAX_COUNTER: u64 = 1 << 62;

    /// The greatest difference between another node's counter and this node's clock: 100 years.
    const MAX_AHEAD: Duration = Duration::from_secs(100 * 366 * 86_400);

    /// Returns the least counter of a change at `now`: the microseconds since the Unix epoch.
    pub fn counter_at(now: SystemTime) -> u64 {
        let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_micros()).unwrap_or(Self::MAX_COUNTER)
    }

    /// Returns whether the version is of the distant future at `now`. No later change could replace it.
    pub fn is_of_the_distant_future(&self, now: SystemTime) -> bool {
        self.counter > Self::counter_at(now + Self::MAX_AHEAD)
    }

    /// Parses the text that `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (counter, node) = text.split_once('-')?;
        let counter = ratelog_core::parse_decimal(counter.as_bytes())?;
        let node = NodeId::parse(node.as_bytes())?;
        (counter <= Self::MAX_COUNTER).then_some(Self { counter, node })
    }
}

impl fmt::Display for PolicyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.counter, self.node.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::PolicyVersion;

    #[test]
    fn versions_are_ordered_by_counter_then_node() {
        let version = |text: &str| PolicyVersion::parse(text).unwrap();
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        assert!(version(&format!("9-{b}")) < version(&format!("10-{a}")));
        assert!(version(&format!("9-{a}")) < version(&format!("9-{b}")));
        assert_eq!(version(&format!("9-{a}")).to_string(), format!("9-{a}"));
        for text in [
            "",
            "9",
            "9-",
            "x-",
            &format!("9-{}", "A".repeat(40)),
            &format!("-1-{a}"),
            &format!("{}-{a}", u64::MAX),
            &format!("{}-{a}", PolicyVersion::MAX_COUNTER + 1),
        ] {
            assert_eq!(PolicyVersion::parse(text), None, "{text}");
        }
    }
}
