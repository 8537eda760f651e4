//! A bare socket, for tests that check the exact bytes.

use std::io::{Read, Write};
use std::net::TcpStream;

const SENTINEL: &[u8] = b"*2\r\n$4\r\nECHO\r\n$8\r\nsentinel\r\n";
const SENTINEL_REPLY: &[u8] = b"$8\r\nsentinel\r\n";

pub struct Raw(TcpStream);

impl Raw {
    pub fn new(stream: TcpStream) -> Self {
        Self(stream)
    }

    /// Sends the words as one command and returns all bytes of its reply.
    pub fn exchange(&mut self, words: &[&[u8]]) -> Vec<u8> {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        self.exchange_bytes(&request)
    }

    /// Sends the bytes unchanged and returns all bytes of the reply.
    pub fn exchange_bytes(&mut self, request: &[u8]) -> Vec<u8> {
        self.send(&[request, SENTINEL].concat());
        let mut reply = self.receive_until(SENTINEL_REPLY);
        reply.truncate(reply.len() - SENTINEL_REPLY.len());
        reply
    }

    pub fn send(&mut self, request: &[u8]) {
        self.0.write_all(request).expect("the server accepts the request");
    }

    /// Reads until the received bytes contain `end`, and returns all of them.
    pub fn receive_until(&mut self, end: &[u8]) -> Vec<u8> {
        let mut received: Vec<u8> = Vec::new();
        let mut chunk = [0; 4096];
        let mut searched = 0;
        while !received[searched..].windows(end.len()).any(|bytes| bytes == end) {
            searched = received.len().saturating_sub(end.len());
            let length = self.0.read(&mut chunk).expect("the server replies");
            assert_ne!(length, 0, "the server closed the connection");
            received.extend_from_slice(&chunk[..length]);
        }
        received
    }
}
