//! The replication stream as the server sends it.

use super::wait::until;
use super::{Client, Server};

/// Returns the bytes that a new server's replica receives while `act` runs, in upper case.
pub fn stream_of(act: impl FnOnce(&mut Client)) -> String {
    let server = Server::start();
    let mut db = server.connect();
    let mut replica = server.connect_raw();
    replica.send(b"PSYNC ? -1\r\n");
    until("the replica is online", || {
        let info: String = db.run("INFO replication");
        info.contains("state=online")
    });
    db.run::<()>("SET begin 1");
    act(&mut db);
    db.run::<()>("SET end 1");
    let stream = replica.receive_until(b"$3\r\nend\r\n");
    let stream = String::from_utf8_lossy(&stream).into_owned();
    let (_, stream) = stream.split_once("\r\nbegin\r\n").expect("the stream has the begin marker");
    stream.to_uppercase()
}
