//! Errors as HTTP statuses: `{"error": text, "kind": name}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::{Error, ErrorKind};

/// An error on its way to a caller.
pub struct Refusal {
    status: StatusCode,
    kind: String,
    text: String,
}

impl Refusal {
    /// One that is HTTP's own.
    pub fn new(status: StatusCode, kind: &str, text: &str) -> Self {
        Self { status, kind: kind.into(), text: text.into() }
    }
}

impl From<Error> for Refusal {
    fn from(e: Error) -> Self {
        let status = match e.kind() {
            ErrorKind::Parse | ErrorKind::InvalidArgument | ErrorKind::Shape | ErrorKind::Numeric => {
                StatusCode::BAD_REQUEST
            }
            ErrorKind::Unsupported => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::State | ErrorKind::Refused | ErrorKind::Mismatch | ErrorKind::Interrupted => {
                StatusCode::CONFLICT
            }
            ErrorKind::Budget => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, kind: format!("{:?}", e.kind()), text: e.to_string() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, kind, text } = self;
        (status, Json(json!({ "error": text, "kind": kind }))).into_response()
    }
}
