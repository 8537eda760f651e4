use std::future::ready;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::http::{Method, Response, Uri};
use tokio::net::TcpListener;
use tokio::time::{Duration, Instant};

/// What a request is answered with: a status and fields. `None` closes the connection.
pub type Answer = Option<(u16, &'static [(&'static str, &'static str)])>;

pub const OK: Answer = Some((200, &[]));

/// A server that answers as a test says, and keeps what it was asked.
pub struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

#[derive(Clone, Debug)]
pub struct Seen {
    /// Since the server's start.
    pub at: Duration,
    pub method: Method,
    pub path: String,
    pub body: Bytes,
}

impl Server {
    /// Answers the requests one by one with `answers`, all that follow with the last.
    pub async fn scripted<const N: usize>(answers: [Answer; N]) -> Self {
        Self::start(move |times| ready(answers[times.min(N - 1)])).await
    }

    /// Answers each request with what `answer` gives for the number of those before it.
    pub async fn start<F: Future<Output = Answer> + Send>(
        answer: impl Fn(usize) -> F + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (start, seen) = (Instant::now(), Arc::default());
        let log: Arc<Mutex<Vec<Seen>>> = Arc::clone(&seen);
        let handler = async move |method: Method, uri: Uri, body: Bytes| {
            let path = uri.path().to_owned();
            let times = {
                let mut log = log.lock().unwrap();
                log.push(Seen { at: start.elapsed(), method, path, body });
                log.len() - 1
            };
            match answer(times).await {
                Some((status, fields)) => {
                    let answer = Response::builder().status(status);
                    let answer = fields
                        .iter()
                        .fold(answer, |answer, (name, value)| answer.header(*name, *value));
                    answer.body(Body::empty()).unwrap()
                }
                // Ends the connection's task without a word.
                None => std::panic::resume_unwind(Box::new("connection closed")),
            }
        };
        tokio::spawn(axum::serve(listener, axum::Router::new().fallback(handler)).into_future());
        Self { address, seen }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// When each request came.
    pub fn times(&self) -> Vec<Duration> {
        self.seen().iter().map(|seen| seen.at).collect()
    }
}
