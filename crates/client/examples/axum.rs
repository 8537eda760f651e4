//! An API with limits per route, and plans for its clients.
//!
//! ```sh
//! cargo run -p ratelog-client --example axum --features axum
//! curl -i http://127.0.0.1:3000/search                                   # 5 a minute per address
//! curl -i http://127.0.0.1:3000/search -H 'x-api-key: k1' -H 'x-plan: pro'  # 60 a minute per key on this plan
//! ```
//!
//! `RATELOG_URL` names the server that counts, such as `redis://127.0.0.1/`. Without it, this process counts. `PORT` is
//! the port to listen on (default: 3000).

use std::env;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::routing::{get, post};
use http::HeaderName;
use http::request::Parts;
use ratelog_client::http::{HeaderFamily, NamedRules};
use ratelog_client::tower::{OnCheckError, RateLimitLayer, RouteLimits, TrustedProxies, key};
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
    // Only a proxy on this machine is trusted to report the client's address.
    let proxies = TrustedProxies::x_forwarded_for(["127.0.0.0/8", "::1"])?;
    let by_address = key::client(proxies, key::connect_info);
    // A real API validates its keys, and looks up their plans, in an outer layer.
    let by_api_key = key::header(HeaderName::from_static("x-api-key"), by_address);

    let free = named("5/minute", ["free"])?.key_prefix("search:");
    let pro = named("10/second; 60/minute", ["burst", "pro"])?.key_prefix("search:");
    let plan = move |request: &Parts| match request.headers.get("x-plan") {
        Some(plan) if plan == "pro" => Some(pro.clone()),
        _ => Some(free.clone()),
    };
    let search = RateLimitLayer::by_route(limiter.clone(), plan, by_api_key)
        .header_family(HeaderFamily::Both)
        .on_check_error(|error| {
            eprintln!("{error}");
            OnCheckError::default_for(error)
        });

    let ten = Cost::try_from(10)?;
    let exports = "30/hour".parse::<RouteLimits>()?.cost(ten).key_prefix("export:");
    let export = RateLimitLayer::new(limiter.clone(), exports, key::peer(key::connect_info));

    Ok(Router::new()
        .route("/search", get(|| async { "found\n" }).layer(search))
        .route("/export", post(|| async { "exported\n" }).layer(export))
        .route("/health", get(|| async { "well\n" })))
}

/// Limits from the text of rules, with the names that responses report.
fn named<const N: usize>(rules: &str, names: [&str; N]) -> Result<RouteLimits, Box<dyn Error>> {
    let rules: Rules = rules.parse()?;
    let names = NamedRules::new(&rules, names)?;
    Ok(RouteLimits::from(rules).named_rules(names))
}
