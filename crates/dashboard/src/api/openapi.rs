//! The `OpenAPI` document, from the types and the comments of the API.

use axum::Json;
use axum::extract::State;
use utoipa::openapi::Server;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{history, keys, overview, policies};
use crate::app::App;
use crate::auth::Viewer;

#[derive(OpenApi)]
#[openapi(
    info(title = "Ratelog dashboard", description = "The limits of Ratelog: who is limited, why, and how to change it."),
    paths(
        overview::overview,
        history::history,
        overview::nodes,
        overview::audit,
        overview::overrides,
        keys::list,
        keys::read,
        keys::hits,
        keys::what_if,
        keys::set_override,
        keys::delete_override,
        keys::reset,
        keys::refund,
        policies::list,
        policies::read,
        policies::set,
        policies::delete,
        policies::import,
        policies::what_if,
    ),
    components(schemas(crate::operations::failure::ProblemDetails)),
    security(("token" = [])),
    modifiers(&Token)
)]
struct Document;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The document.
pub async fn document(State(app): State<App>, Viewer(_): Viewer) -> Json<utoipa::openapi::OpenApi> {
    let mut document = Document::openapi();
    document.servers =
        Some(vec![Server::new(app.path(if app.settings.base_path.is_empty() { "/" } else { "" }))]);
    Json(document)
}
