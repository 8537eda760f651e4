//! A client that knows one node of a cluster and follows redirections.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use redis::{FromRedisValue, ProtocolVersion};

use super::Server;
use super::client::{Client, Command, REPLY_WAIT};
use super::wait::eventually;

pub struct ClusterClient {
    seed: u16,
    links: HashMap<u16, Client>,
    /// The port at which each key was last found.
    routes: HashMap<Vec<u8>, u16>,
}

impl ClusterClient {
    /// Creates a client that starts with one node.
    pub fn by(node: &Server) -> Self {
        Self { seed: node.port(), links: HashMap::new(), routes: HashMap::new() }
    }

    /// Returns the reply, or the text of an error other than a redirection. The command's second word is a key.
    pub fn attempt<T: FromRedisValue>(&mut self, command: impl Command) -> Result<T, String> {
        let words = command.words();
        let key = words[1].clone();
        eventually("the redirections end", || {
            let port = self.routes.get(&key).copied().unwrap_or(self.seed);
            let outcome = self.ask(port, false, &words);
            let Err(error) = &outcome else { return Some(outcome) };
            match redirection(error) {
                Some(("MOVED", port)) => {
                    self.routes.insert(key.clone(), port);
                    None
                }
                Some(("ASK", port)) => {
                    let outcome = self.ask(port, true, &words);
                    outcome
                        .as_ref()
                        .err()
                        .and_then(|error| redirection(error))
                        .is_none()
                        .then_some(outcome)
                }
                _ => {
                    if error.starts_with("connection") {
                        self.links.remove(&port);
                        self.routes.remove(&key);
                    }
                    Some(outcome)
                }
            }
        })
    }

    #[track_caller]
    pub fn run<T: FromRedisValue>(&mut self, command: impl Command) -> T {
        let words = command.words();
        match self.attempt(words.clone()) {
            Ok(reply) => reply,
            Err(error) => panic!("{} failed: {error}", words.join(&b' ').escape_ascii()),
        }
    }

    fn ask<T: FromRedisValue>(
        &mut self,
        port: u16,
        asking: bool,
        words: &[Vec<u8>],
    ) -> Result<T, String> {
        let link = match self.links.entry(port) {
            Entry::Occupied(link) => link.into_mut(),
            Entry::Vacant(place) => {
                place.insert(Client::open(port, ProtocolVersion::RESP2, REPLY_WAIT)?)
            }
        };
        if asking {
            link.attempt::<()>("ASKING")?;
        }
        link.attempt(words.to_vec())
    }
}

/// Returns the word and the port of `MOVED slot host:port` or `ASK slot host:port`.
fn redirection(error: &str) -> Option<(&str, u16)> {
    let mut words = error.split(' ');
    let word = words.next().filter(|word| ["MOVED", "ASK"].contains(word))?;
    let (_, port) = words.nth(1)?.rsplit_once(':')?;
    Some((word, port.parse().expect("a port is a number")))
}
