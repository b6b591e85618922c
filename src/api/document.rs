//! The OpenAPI document, made from the endpoints and the types of their fields.
//!
//! Owns what all endpoints have in common: the problems that a request is checked for before an endpoint sees it.
//! Source: OpenAPI 3.1.

use http::{Response, StatusCode};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, Ref, ResponseBuilder};
use utoipa::{OpenApi, ToSchema};

use super::fields::Viewer;
use super::problem::{PROBLEM_JSON, ProblemDocument};
use super::{Api, connections, events, of_type, sessions, workflows};

/// This document.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    operation_id = "openapi",
    tag = "document",
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json")),
)]
pub(super) fn document(api: &Api) -> Response<String> {
    of_type("application/json", api.document.to_string())
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "presenced",
        description = "Who is on which workflow of OpenFn Lightning, for programs. Problems are RFC 9457 documents.",
    ),
    servers((url = "/")),
    paths(
        document,
        workflows::presences,
        workflows::summary,
        workflows::counts,
        workflows::many,
        events::watch,
        sessions::put,
        sessions::renew,
        sessions::end,
        connections::disconnect,
    ),
    components(schemas(ProblemDocument, Viewer)),
    tags(
        (name = "workflows", description = "Who is on workflows"),
        (name = "sessions", description = "Sessions that are kept on workflows from outside, by lease"),
        (name = "users", description = "The connections of users"),
        (name = "document", description = "What there is"),
    ),
)]
struct Document;

/// The document's text; with a token, every request needs it.
pub(super) fn text(has_token: bool) -> String {
    let mut document = Document::openapi();
    for path in document.paths.paths.values_mut() {
        let operations = [&mut path.get, &mut path.put, &mut path.post, &mut path.patch, &mut path.delete];
        for operation in operations.into_iter().flatten() {
            add_problems(operation, has_token);
        }
    }
    if has_token {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
        document.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>(BEARER, [])]);
    }
    document.to_json().expect("texts, numbers and maps of them are JSON")
}

/// The problems that every request of this kind may be answered with.
fn add_problems(operation: &mut Operation, has_token: bool) {
    let mut problems = Vec::new();
    if has_token {
        problems.push((StatusCode::UNAUTHORIZED, "The token is missing or wrong"));
    }
    if !has_token {
        problems.push((
            StatusCode::FORBIDDEN,
            "The request is of a web page, or names another host than this machine",
        ));
    }
    if operation.request_body.is_some() {
        problems.extend([
            (StatusCode::BAD_REQUEST, "The body is not JSON"),
            (StatusCode::REQUEST_TIMEOUT, "The body did not come in time"),
            (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not application/json"),
        ]);
    }
    if operation.request_body.is_some() || operation.parameters.is_some() {
        problems.push((StatusCode::UNPROCESSABLE_ENTITY, "A field is missing or wrong; `errors` says which"));
    }
    for (status, description) in problems {
        let content = Content::new(Some(Ref::from_schema_name(ProblemDocument::name())));
        let problem = ResponseBuilder::new().description(description).content(PROBLEM_JSON, content);
        operation.responses.responses.insert(status.as_str().to_owned(), problem.build().into());
    }
}

const BEARER: &str = "bearer";
