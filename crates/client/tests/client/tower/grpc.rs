//! The layer around a tonic service, with a tonic client.

use std::net::SocketAddr;
use std::time::Duration;

use ratelog_client::tower::{RateLimitLayer, RouteLimits};
use tokio::net::TcpListener;
use tonic::service::LayerExt;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::memory;

async fn serve(layer: RateLimitLayer) -> SocketAddr {
    let (_reporter, health) = tonic_health::server::health_reporter();
    let limited = layer.named_layer(health);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder().add_service(limited);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    address
}

async fn client(address: SocketAddr) -> HealthClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    HealthClient::new(endpoint.connect().await.unwrap())
}

fn call(user: &str) -> Request<HealthCheckRequest> {
    let mut request = Request::new(HealthCheckRequest::default());
    request.metadata_mut().insert("x-user", user.parse().unwrap());
    request
}

#[tokio::test]
async fn a_denied_call_is_resource_exhausted_and_says_when_to_retry() {
    let limits: RouteLimits = "2/minute".parse().unwrap();
    let layer = RateLimitLayer::new(memory().await, limits, |request| {
        request.headers.get("x-user").map(|user| user.as_bytes().to_vec())
    });
    let mut client = client(serve(layer).await).await;
    for remaining in ["r=1", "r=0"] {
        let response = client.check(call("ann")).await.unwrap();
        let ratelimit = response.metadata().get("ratelimit").unwrap().to_str().unwrap();
        assert!(ratelimit.contains(remaining), "{ratelimit}");
    }
    let denied = client.check(call("ann")).await.unwrap_err();
    assert_eq!(denied.code(), Code::ResourceExhausted);
    let pushback = denied.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap();
    let wait = Duration::from_millis(pushback.parse().unwrap());
    assert!(wait > Duration::from_secs(50) && wait <= Duration::from_secs(60), "{wait:?}");
    assert!(denied.metadata().contains_key("ratelimit"), "{denied:?}");
    client.check(call("bob")).await.unwrap();
}
