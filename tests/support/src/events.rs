//! Keyspace events as a subscriber receives them.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Client, Raw, Server};

/// A subscriber to all keyspace and keyevent channels.
pub struct Events {
    subscriber: Raw,
    /// Bytes that arrived after the end of the events that were read last.
    pending: Vec<u8>,
    db: Client,
}

/// The number of the next message that marks the end of the events. Replicas receive the messages of their primary, so
/// each message is different.
static NEXT_END: AtomicU64 = AtomicU64::new(0);

impl Events {
    /// Subscribes. The server's notification setting stays unchanged.
    pub fn of(server: &Server) -> Self {
        let mut subscriber = server.connect_raw();
        subscriber.send(b"PSUBSCRIBE __key* end\r\n");
        subscriber.receive_until(b":2\r\n");
        Self { subscriber, pending: Vec::new(), db: server.connect() }
    }

    /// Returns the keys of the events in database 0 that arrived since the last call, in order.
    pub fn of_kind(&mut self, event: &str) -> Vec<String> {
        let start = format!("0 {event} ");
        self.all().iter().filter_map(|line| line.strip_prefix(&start)).map(str::to_owned).collect()
    }

    /// Returns the events that arrived since the last call, in order, as `database event key`.
    pub fn all(&mut self) -> Vec<String> {
        let message = format!("of-events-{}", NEXT_END.fetch_add(1, Ordering::Relaxed));
        self.db.run::<i64>(&format!("PUBLISH end {message}"));
        let end = format!("{message}\r\n").into_bytes();
        let mut received = std::mem::take(&mut self.pending);
        received.extend(self.subscriber.receive_until(&end));
        let place = received.windows(end.len()).position(|bytes| bytes == end);
        self.pending = received.split_off(place.expect("the end was received") + end.len());
        let received = String::from_utf8_lossy(&received).into_owned();
        let words: Vec<_> = received.split("\r\n").collect();
        // The channel, then the length of the key, then the key.
        words
            .windows(3)
            .filter_map(|three| {
                let channel = three[0].strip_prefix("__keyevent@")?;
                let (database, event) = channel.split_once("__:")?;
                Some(format!("{database} {event} {}", three[2]))
            })
            .collect()
    }
}
