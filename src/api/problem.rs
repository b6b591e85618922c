//! What is wrong with a request, as a problem document.
//!
//! Source: RFC 9457 for the document, RFC 9110 for the statuses and their names.

use http::{HeaderValue, Method, Response, StatusCode, header};
use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;

use crate::lightning::{PutError, Unavailable};

/// Why a request was not done.
#[derive(Debug, Error)]
pub(super) enum Problem {
    #[error("the request needs the header Authorization with the API's token")]
    Unauthorized,
    #[error("without a token the API is not for web pages: the request has an Origin")]
    OfPage,
    #[error("without a token Host must be localhost or a loopback address")]
    OtherHost,
    #[error("there is nothing here")]
    NoSuchPath,
    #[error("the session is not there")]
    NoSuchSession,
    #[error("the method is not allowed here")]
    MethodNotAllowed(&'static [Method]),
    #[error("the body did not come in time")]
    Slow,
    #[error("the body must be application/json")]
    NotJsonType,
    #[error("the body is larger than {most} bytes")]
    TooLarge { most: usize },
    #[error("the body is not JSON")]
    NotJson,
    #[error("{}", in_words(.0))]
    Invalid(Vec<Fault>),
    #[error(transparent)]
    NotPut(#[from] PutError),
    #[error("who may only look cannot be looked up now")]
    Unavailable(#[from] Unavailable),
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Fault {
    /// Its name, with dots into objects and arrays: `user.id`, `workflow_ids.3`.
    pub(super) field: String,
    /// What is wrong with it.
    pub(super) message: String,
}

/// A problem as it is sent (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemDocument {
    /// Always `about:blank`: the status says which problem it is.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong with this request.
    detail: String,
    /// The fields that are to blame, where there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<Fault>,
}

impl Problem {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Problem::Unauthorized => StatusCode::UNAUTHORIZED,
            Problem::OfPage | Problem::OtherHost => StatusCode::FORBIDDEN,
            Problem::NoSuchPath | Problem::NoSuchSession => StatusCode::NOT_FOUND,
            Problem::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Problem::Slow => StatusCode::REQUEST_TIMEOUT,
            Problem::NotJsonType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Problem::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Problem::NotJson => StatusCode::BAD_REQUEST,
            Problem::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Problem::NotPut(PutError::OtherUser) => StatusCode::CONFLICT,
            Problem::NotPut(PutError::TooMany) | Problem::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The answer that says so.
    pub(super) fn into_response(self) -> Response<String> {
        let status = self.status();
        let allow = match &self {
            Problem::MethodNotAllowed(methods) => {
                let methods: Vec<&str> = methods.iter().map(Method::as_str).collect();
                Some(HeaderValue::from_str(&methods.join(", ")).expect("methods are header text"))
            }
            _ => None,
        };
        let detail = self.to_string();
        let mut errors = match self {
            Problem::Invalid(faults) => faults,
            _ => Vec::new(),
        };
        errors.retain(|fault| !fault.field.is_empty());
        let document = ProblemDocument {
            kind: "about:blank",
            title: title(status),
            status: status.as_u16(),
            detail,
            errors,
        };
        let mut response =
            Response::new(serde_json::to_string(&document).expect("texts and numbers are JSON"));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(allow) = allow {
            headers.insert(header::ALLOW, allow);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl Fault {
    /// `field` is empty where the whole body is at fault; of a long one only the beginning is told.
    pub(super) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        let mut field = field.into();
        if let Some((cut, _)) = field.char_indices().nth(MOST_NAME_CHARACTERS) {
            field.truncate(cut);
            field.push('…');
        }
        Fault { field, message: message.into() }
    }
}

fn in_words(faults: &[Fault]) -> String {
    let words = faults.iter().map(|Fault { field, message }| {
        let field = if field.is_empty() { "the body" } else { field };
        format!("{field} {message}")
    });
    words.collect::<Vec<_>>().join("; ")
}

/// RFC 9110 has new names for two.
fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Content Too Large",
        StatusCode::UNPROCESSABLE_ENTITY => "Unprocessable Content",
        other => other.canonical_reason().unwrap_or_default(),
    }
}

pub(super) const PROBLEM_JSON: &str = "application/problem+json";
/// Of the name of a field, which whoever asks has chosen.
const MOST_NAME_CHARACTERS: usize = 100;
