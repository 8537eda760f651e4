//! The `OpenAPI` document, from the types and the comments of the API.

use axum::Json;
use axum::extract::State;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder, Server};
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
        policies::diff,
        policies::differences,
        policies::make_equal,
        policies::what_if,
    ),
    components(schemas(crate::operations::failure::ProblemDetails)),
    security(("token" = [])),
    modifiers(&Token, &Errors)
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

struct Errors;

impl Modify for Errors {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let details = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemDetails")));
        let response = ResponseBuilder::new()
            .description("Any error, as RFC 9457 defines it.")
            .content("application/problem+json", details.build())
            .build();
        for item in document.paths.paths.values_mut() {
            let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                let responses = &mut operation.responses.responses;
                responses.insert("default".to_owned(), response.clone().into());
            }
        }
    }
}

/// The document.
pub async fn document(State(app): State<App>, Viewer(_): Viewer) -> Json<utoipa::openapi::OpenApi> {
    let mut document = Document::openapi();
    document.servers =
        Some(vec![Server::new(app.path(if app.settings.base_path.is_empty() { "/" } else { "" }))]);
    Json(document)
}
