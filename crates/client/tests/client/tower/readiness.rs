//! The layer follows tower's contract with its inner service.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{everybody, get};

/// A service that panics if it is called without being ready, as a service with permits does.
#[derive(Default)]
struct Strict {
    is_ready: bool,
    permits: Arc<AtomicU64>,
}

impl Strict {
    fn release(&mut self) {
        if std::mem::take(&mut self.is_ready) {
            self.permits.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Clone for Strict {
    /// A permit is not cloned.
    fn clone(&self) -> Self {
        Self { is_ready: false, permits: Arc::clone(&self.permits) }
    }
}

impl Drop for Strict {
    fn drop(&mut self) {
        self.release();
    }
}

impl Service<Request<&'static str>> for Strict {
    type Response = Response<Empty<Bytes>>;
    type Error = &'static str;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if !std::mem::replace(&mut self.is_ready, true) {
            self.permits.fetch_add(1, Ordering::SeqCst);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<&'static str>) -> Self::Future {
        assert!(self.is_ready, "called without being ready");
        self.release();
        let is_wrong = request.uri().path() == "/wrong";
        ready(if is_wrong { Err("wrong") } else { Ok(Response::new(Empty::new())) })
    }
}

#[tokio::test]
async fn the_ready_service_is_called() {
    let strict = Strict::default();
    let permits = Arc::clone(&strict.permits);
    let mut service = everybody("2/minute").await.layer(strict);
    // All are called before the first decision.
    let mut responses = Vec::new();
    for _ in 0..4 {
        responses.push(service.ready().await.unwrap().call(get("/")));
    }
    assert_eq!(permits.load(Ordering::SeqCst), 4);
    let mut statuses = Vec::new();
    for response in responses {
        statuses.push(response.await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 429, 429]);
    assert_eq!(permits.load(Ordering::SeqCst), 0, "a denied request releases its permit");
}

#[tokio::test]
async fn an_abandoned_request_releases_its_permit() {
    let strict = Strict::default();
    let permits = Arc::clone(&strict.permits);
    let mut service = everybody("1/minute").await.layer(strict);
    drop(service.ready().await.unwrap().call(get("/")));
    assert_eq!(permits.load(Ordering::SeqCst), 0);
    // It was not checked.
    assert_eq!(service.oneshot(get("/")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn errors_of_the_service_are_returned() {
    let service = everybody("1/minute").await.layer(Strict::default());
    assert_eq!(service.oneshot(get("/wrong")).await.unwrap_err(), "wrong");
}

#[tokio::test]
async fn a_service_that_is_not_ready_is_not_called() {
    #[derive(Clone)]
    struct Never;
    impl Service<Request<&'static str>> for Never {
        type Response = Response<Empty<Bytes>>;
        type Error = &'static str;
        type Future = std::future::Pending<Result<Self::Response, Self::Error>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Err("closed"))
        }
        fn call(&mut self, _: Request<&'static str>) -> Self::Future {
            unreachable!("it is not ready")
        }
    }
    let service = everybody("1/minute").await.layer(Never);
    assert_eq!(service.oneshot(get("/")).await.unwrap_err(), "closed");
}

#[tokio::test]
async fn the_body_of_the_service_is_returned_with_its_size_and_trailers() {
    let sized = service_fn(|_: Request<&'static str>| async {
        Ok::<_, &'static str>(Response::new(Full::new(Bytes::from_static(b"sized"))))
    });
    let response = everybody("1/minute").await.layer(sized).oneshot(get("/")).await.unwrap();
    assert_eq!(response.body().size_hint().exact(), Some(5));
    assert!(!response.body().is_end_stream());
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "sized");

    let trailing = service_fn(|_: Request<&'static str>| async {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
        let body = Full::new(Bytes::from_static(b"message"));
        Ok::<_, &'static str>(Response::new(body.with_trailers(ready(Some(Ok(trailers))))))
    });
    let response = everybody("1/minute").await.layer(trailing).oneshot(get("/")).await.unwrap();
    let collected = response.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
}
