//! A TCP proxy in front of a server, which can lose all traffic.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub struct Proxy {
    port: u16,
    is_cut: watch::Sender<bool>,
}

impl Proxy {
    /// A proxy of the server on this port. It ends with the runtime.
    pub async fn start(server_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (is_cut, watcher) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, server_port, watcher.clone()));
            }
        });
        Self { port, is_cut }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on, no byte arrives in either direction, and no connection is closed.
    pub fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    /// Lets the traffic pass again, also that which was held back.
    pub fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

async fn serve(client: TcpStream, server_port: u16, mut is_cut: watch::Receiver<bool>) {
    if is_cut.wait_for(|is_cut| !is_cut).await.is_err() {
        return;
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", server_port)).await else { return };
    let (client_reader, client_writer) = client.into_split();
    let (server_reader, server_writer) = server.into_split();
    tokio::select! {
        () = copy(client_reader, server_writer, is_cut.clone()) => {}
        () = copy(server_reader, client_writer, is_cut) => {}
    }
}

async fn copy(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut is_cut: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 4_096];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        if is_cut.wait_for(|is_cut| !is_cut).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
