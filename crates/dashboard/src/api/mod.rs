//! The pages' data and actions as JSON.
#![expect(unused_qualifications, reason = "the macros of utoipa qualify names that are in scope")]

mod history;
mod keys;
mod openapi;
mod overview;
mod parameters;
mod policies;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::IntoResponse;
use axum::routing::{get, post, put};

use crate::app::App;
use crate::operations::failure::Failure;
use crate::operations::policies::MAX_DOCUMENT;

pub use history::HistoryPoint;

/// The routes of the API.
pub fn router() -> Router<App> {
    Router::new()
        .route("/openapi.json", get(openapi::document))
        .route("/overview", get(overview::overview))
        .route("/overview/history", get(history::history))
        .route("/nodes", get(overview::nodes))
        .route("/nodes/policies", get(policies::differences).put(policies::make_equal))
        .route("/audit", get(overview::audit))
        .route("/overrides", get(overview::overrides))
        .route("/keys", get(keys::list))
        .route("/keys/{key}", get(keys::read))
        .route("/keys/{key}/hits", get(keys::hits))
        .route("/keys/{key}/what-if", get(keys::what_if))
        .route("/keys/{key}/override", put(keys::set_override).delete(keys::delete_override))
        .route("/keys/{key}/reset", post(keys::reset))
        .route("/keys/{key}/refund", post(keys::refund))
        .route("/policies", get(policies::list))
        .route("/what-if", get(policies::what_if))
        .route(
            "/policies/{*name}",
            get(policies::read)
                .put(policies::set)
                .delete(policies::delete)
                .post(policies::act)
                .layer(DefaultBodyLimit::max(MAX_DOCUMENT)),
        )
        .fallback(async || Failure::NotFound("there is no such path".to_owned()).into_response())
        .method_not_allowed_fallback(async || Failure::WrongMethod.into_response())
}
