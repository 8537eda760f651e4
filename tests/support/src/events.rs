//! Keyspace events as a subscriber receives them.

use super::{Client, Raw, Server};

/// A subscriber to all keyspace and keyevent channels.
pub struct Events {
    subscriber: Raw,
    db: Client,
}

impl Events {
    /// Subscribes. The server's notification setting stays unchanged.
    pub fn of(server: &Server) -> Self {
        let mut subscriber = server.connect_raw();
        subscriber.send(b"PSUBSCRIBE __key* end\r\n");
        subscriber.receive_until(b":2\r\n");
        Self { subscriber, db: server.connect() }
    }

    /// Returns the keys of the events that arrived since the last call, in order.
    pub fn of_kind(&mut self, event: &str) -> Vec<String> {
        self.db.run::<i64>("PUBLISH end of-events");
        let received = self.subscriber.receive_until(b"of-events\r\n");
        let received = String::from_utf8_lossy(&received).into_owned();
        let words: Vec<_> = received.split("\r\n").collect();
        let channel = format!("__keyevent@0__:{event}");
        // The channel, then the length of the key, then the key.
        let keys = words.windows(3).filter(|three| three[0] == channel);
        keys.map(|three| three[2].to_owned()).collect()
    }
}
