use std::fmt;

use redis::Value;

/// The address of a node of a cluster, as the cluster connection knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeAddress {
    /// The host's name or IP address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl NodeAddress {
    /// Parses `host:port`, the name of a node in a cluster connection's reply.
    pub(super) fn from_value(value: &Value) -> Option<Self> {
        let text = match value {
            Value::BulkString(bytes) => std::str::from_utf8(bytes).ok()?,
            Value::SimpleString(text) => text,
            _ => return None,
        };
        let (host, port) = text.rsplit_once(':')?;
        Some(Self { host: host.to_owned(), port: port.parse().ok()? })
    }
}

/// `host:port`
impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::NodeAddress;

    #[test]
    fn the_name_of_a_node_is_its_host_and_port() {
        let parse = |name: &str| NodeAddress::from_value(&Value::BulkString(name.into()));
        for name in ["192.0.2.1:7000", "node.example.com:7000", "2001:db8::1:7000"] {
            let node = parse(name).unwrap();
            assert_eq!((node.port, node.to_string()), (7_000, name.to_owned()));
        }
        for name in ["checks", "host:", "host:port", "host:70000"] {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
