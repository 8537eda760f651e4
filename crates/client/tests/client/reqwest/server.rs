use std::future::ready;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::http::{Method, Response, Uri};
use tokio::net::TcpListener;
use tokio::time::{Duration, Instant};

/// A response: its status and headers. `None` closes the connection.
pub type Reply = Option<(u16, &'static [(&'static str, &'static str)])>;

pub const OK: Reply = Some((200, &[]));

/// An HTTP server with scripted responses, which records its requests.
pub struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Received>>>,
}

#[derive(Clone, Debug)]
pub struct Received {
    /// The time since the server's start.
    pub at: Duration,
    pub method: Method,
    pub path: String,
    pub body: Bytes,
}

impl Server {
    /// Responds to the requests in turn with `replies`, and to all further requests with the last.
    pub async fn scripted<const N: usize>(replies: [Reply; N]) -> Self {
        Self::start(move |index| ready(replies[index.min(N - 1)])).await
    }

    /// Responds to each request with the reply that `reply` returns for its index.
    pub async fn start<F: Future<Output = Reply> + Send>(
        reply: impl Fn(usize) -> F + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (start, requests) = (Instant::now(), Arc::default());
        let log: Arc<Mutex<Vec<Received>>> = Arc::clone(&requests);
        let handler = async move |method: Method, uri: Uri, body: Bytes| {
            let path = uri.path().to_owned();
            let index = {
                let mut log = log.lock().unwrap();
                log.push(Received { at: start.elapsed(), method, path, body });
                log.len() - 1
            };
            match reply(index).await {
                Some((status, headers)) => {
                    let response = Response::builder().status(status);
                    let response = headers
                        .iter()
                        .fold(response, |response, (name, value)| response.header(*name, *value));
                    response.body(Body::empty()).unwrap()
                }
                // Ends the connection's task without a response.
                None => std::panic::resume_unwind(Box::new("connection closed")),
            }
        };
        tokio::spawn(axum::serve(listener, axum::Router::new().fallback(handler)).into_future());
        Self { address, requests }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn requests(&self) -> Vec<Received> {
        self.requests.lock().unwrap().clone()
    }

    /// The times of the requests.
    pub fn times(&self) -> Vec<Duration> {
        self.requests().iter().map(|request| request.at).collect()
    }
}
