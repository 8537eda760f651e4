//! An API whose routes have limits of their own, and whose clients have plans.
//!
//! ```sh
//! cargo run -p ratelog-client --example axum --features tower
//! curl -i http://127.0.0.1:3000/search                                   # 5 a minute for an address
//! curl -i http://127.0.0.1:3000/search -H 'x-api-key: k1' -H 'x-plan: pro'  # 60 a minute for a key on this plan
//! ```
//!
//! `RATELOG_URL` names the server that counts, such as `redis://127.0.0.1/`; without it this process does. `PORT` is the
//! port to listen on, 3000 unless told otherwise.

use std::env;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use http::HeaderName;
use http::request::Parts;
use ratelog_client::http::{HeaderFamily, NamedRules};
use ratelog_client::tower::{OnFailure, RateLimitLayer, RouteLimits, TrustedProxies, key};
use ratelog_client::{Cost, RateLimiter, Rules};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("RATELOG_URL").unwrap_or_else(|_| "memory://".to_owned());
    let port = env::var("PORT").map_or(Ok(3_000), |port| port.parse())?;
    let limiter = RateLimiter::connect(&url).await?;

    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let app = app(&limiter)?.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).await?;
    Ok(())
}

fn app(limiter: &RateLimiter) -> Result<Router, Box<dyn Error>> {
    // A proxy on this machine tells whom it speaks for; nobody else is believed.
    let proxies = TrustedProxies::x_forwarded_for(["127.0.0.0/8", "::1"])?;
    let by_address = key::client(proxies, peer);
    // A real API checks its keys, and the plans they are on, in a layer further out.
    let by_api_key = key::header(HeaderName::from_static("x-api-key"), by_address);

    let free = named("5/minute", ["free"])?.key_prefix("search:");
    let pro = named("10/second; 60/minute", ["burst", "pro"])?.key_prefix("search:");
    let plan = move |request: &Parts| match request.headers.get("x-plan") {
        Some(plan) if plan == "pro" => Some(pro.clone()),
        _ => Some(free.clone()),
    };
    let search = RateLimitLayer::by_route(limiter.clone(), plan, by_api_key)
        .family(HeaderFamily::Both)
        .on_failure(|failure| {
            eprintln!("{failure}");
            OnFailure::default_for(failure)
        });

    let ten = Cost::new(10).ok_or("a cost of nothing")?;
    let exports = "30/hour".parse::<RouteLimits>()?.cost(ten).key_prefix("export:");
    let export = RateLimitLayer::new(limiter.clone(), exports, key::peer(peer));

    Ok(Router::new()
        .route("/search", get(|| async { "found\n" }).layer(search))
        .route("/export", post(|| async { "exported\n" }).layer(export))
        .route("/health", get(|| async { "well\n" })))
}

/// Rules as text, and what responses call them.
fn named<const N: usize>(rules: &str, names: [&str; N]) -> Result<RouteLimits, Box<dyn Error>> {
    let rules: Rules = rules.parse()?;
    let limits = NamedRules::named(&rules, names)?;
    Ok(RouteLimits::from(rules).limits(limits))
}

fn peer(request: &Parts) -> Option<IpAddr> {
    request.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip())
}
