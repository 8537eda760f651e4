//! Connections that do not send what they should.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::Dashboard;

/// Connections without requests, and requests without their bodies, do not keep others out.
#[tokio::test]
async fn connections_that_send_nothing_are_closed() {
    let dashboard = Dashboard::start("redis://127.0.0.1:1").await;
    let mut idle = Vec::new();
    for _ in 0..600 {
        idle.push(TcpStream::connect(("127.0.0.1", dashboard.port())).await.unwrap());
    }
    let mut unfinished = TcpStream::connect(("127.0.0.1", dashboard.port())).await.unwrap();
    let head = "POST /login HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\nContent-Type: \
                application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\npassword=";
    unfinished.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(dashboard.get("/login").await.status, 200);
    let mut answer = String::new();
    unfinished.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    for mut connection in idle {
        assert_eq!(connection.read(&mut [0; 1]).await.unwrap(), 0);
    }
}
