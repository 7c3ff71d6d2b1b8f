//! The error body of both Commerce Engine contracts: `{"message", "success": false, "code"}`.

use super::Failure;
use crate::http::Reply;
use crate::json::Object;
use crate::token::{BearerProblem, TokenProblem};

/// Commerce Engine's response to a failure.
///
/// `malformed_credential` is the status for a malformed `Authorization` header: only the storefront publishes a 400. An
/// invalid token is 401, never 403, on which the published client would discard its tokens.
pub(super) fn failure(failure: &Failure, malformed_credential: u16) -> Reply {
    let (status, message, code) = match failure {
        Failure::Credential(BearerProblem::Malformed) if malformed_credential == 400 => {
            (400, "The Authorization header is no bearer header", "bad_request")
        }
        Failure::Credential(_) => (401, "Authentication is required", "unauthorized"),
        Failure::Token(TokenProblem::Expired) => (401, "The access token expired", "unauthorized"),
        Failure::Token(_) | Failure::Forbidden => (401, "The access token is invalid", "unauthorized"),
        Failure::Revoked => (401, "The access token was revoked", "unauthorized"),
        Failure::Body(message) => (400, *message, "bad_request"),
        Failure::BodyVerbatim { .. } => (400, "The body is invalid", "bad_request"),
        Failure::TooLarge => (413, "The body is too large", "bad_request"),
        Failure::UnsupportedMediaType => (415, "The body's media type is not supported", "bad_request"),
        Failure::MethodNotAllowed => (405, "Method not allowed", "bad_request"),
        Failure::UserNotFound => (404, "User not found. The access token was revoked.", "not_found"),
        Failure::Unavailable => (500, "Logout failed. Please try again.", "internal_error"),
    };
    Reply::json_text(status, Object::new().text("message", message).flag("success", false).text("code", code).finish())
}
