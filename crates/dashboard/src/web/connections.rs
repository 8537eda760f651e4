//! The connections of a listener: how many there are, and how long one may take to send a request.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};

/// The most connections. More of them wait until others are closed. A process may usually have 1,024 files open.
pub const MAX_CONNECTIONS: usize = 512;
/// The time in which a connection must send the headers of its next request.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The time in which the next part of a body must arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// The time in which a request must be answered, or its answer must begin. A client can send a body for as long.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// The pause after an error of the listener: the process has no more files, for example.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);

/// Serves the connections of a listener until it is stopped, and the requests that are being answered then.
pub async fn serve(listener: TcpListener, router: Router, mut stopped: watch::Receiver<bool>) {
    let router = router
        .layer(RequestBodyTimeoutLayer::new(BODY_TIMEOUT))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, ANSWER_TIMEOUT));
    let connections = GracefulShutdown::new();
    let mut stop = pin!(stopped.wait_for(|stopped| *stopped));
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = async {
            let permit = permits.clone().acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            accepted = accepted => accepted,
            _ = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = connections.watch(connection(stream, peer, router.clone()));
                tokio::spawn(async move {
                    // A client that goes away, or is too slow, is no error of the dashboard.
                    let _ = connection.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::error!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
    connections.shutdown().await;
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
) -> http1::Connection<
    TokioIo<TcpStream>,
    impl hyper::service::Service<
        Request<Incoming>,
        Response = axum::response::Response,
        Error = Infallible,
        Future: Send,
    >,
> {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
}
