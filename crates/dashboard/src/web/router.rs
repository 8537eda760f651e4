use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::Redirect;
use axum::routing::get;
use tower_http::csrf::CsrfLayer;

use super::{assets, guard, live};
use crate::app::App;
use crate::{api, metrics, pages};

/// The routes of the dashboard.
pub fn dashboard(app: &App) -> Router {
    let data = Router::new()
        .route("/live/{page}", get(live::live))
        .nest("/api/v1", api::router())
        .layer(from_fn_with_state(app.clone(), guard::sign_in_for_data));
    let signed_in =
        pages::router(app).layer(from_fn_with_state(app.clone(), guard::sign_in_for_pages));
    let overview = Redirect::to(&app.path("/overview"));
    let home = move || std::future::ready(overview.clone());
    let routes = Router::new()
        .merge(signed_in)
        .merge(data)
        .merge(pages::login_router())
        .route("/metrics", get(metrics::guarded))
        .route("/assets/{name}", get(assets::serve))
        .route("/", get(home.clone()))
        .with_state(app.clone());
    let routes = match &*app.settings.base_path {
        "" => routes,
        base => Router::new().nest(base, routes).route(&format!("{base}/"), get(home)),
    };
    // A supervisor asks by an address that nobody configures.
    let health =
        Router::new().route(&app.path("/healthz"), get(metrics::health)).with_state(app.clone());
    routes
        .fallback(pages::not_found)
        .layer(from_fn_with_state(app.clone(), guard::finish_changes))
        .layer(CsrfLayer::new())
        .layer(from_fn_with_state(app.clone(), guard::check_host))
        .merge(health)
        .layer(from_fn_with_state(app.clone(), guard::add_headers))
}

/// The routes of the listener for metrics.
pub fn metrics(app: &App) -> Router {
    Router::new()
        .route("/metrics", get(metrics::open))
        .route("/healthz", get(metrics::health))
        .with_state(app.clone())
}
