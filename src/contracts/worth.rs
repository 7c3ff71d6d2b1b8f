//! Worth: `POST /customer/logout`, published below `/auth/api/v1`.

use super::{BodyRule, Contract, Failure, Success};
use crate::http::Reply;
use crate::json::Object;
use crate::revocation::Scope;
use crate::token::BearerProblem;

/// Worth's customer logout.
#[derive(Debug)]
pub(super) struct Worth;

impl Contract for Worth {
    fn name(&self) -> &'static str {
        "worth"
    }

    fn paths(&self) -> &'static [&'static str] {
        &["/customer/logout", "/auth/api/v1/customer/logout"]
    }

    fn ends(&self) -> &'static [Scope] {
        &[Scope::Token, Scope::Session]
    }

    fn body(&self) -> BodyRule {
        BodyRule::JsonIfAnnounced
    }

    fn success(&self) -> Success {
        Success::Plain(Reply::json_text(200, r#"{"status":"success","message":"Logout successful"}"#))
    }

    fn failure(&self, failure: &Failure) -> Reply {
        let (status, message, error_code) = match failure {
            Failure::Credential(BearerProblem::Malformed) => {
                (400, "The Authorization header is no bearer header", "ERR_BAD_REQUEST")
            }
            Failure::Body(message) => (400, *message, "ERR_BAD_REQUEST"),
            Failure::BodyVerbatim { .. } => (400, "Invalid Request", "ERR_BAD_REQUEST"),
            Failure::TooLarge => (413, "The body is too large", "ERR_BAD_REQUEST"),
            Failure::UnsupportedMediaType => (415, "The body's media type is not supported", "ERR_BAD_REQUEST"),
            Failure::MethodNotAllowed => (405, "Method not allowed", "ERR_BAD_REQUEST"),
            Failure::Credential(BearerProblem::Missing) | Failure::Token(_) | Failure::Revoked => {
                (401, "Unauthorized", "ERR_UNAUTHORIZED")
            }
            Failure::Forbidden | Failure::UserNotFound => (403, "Forbidden", "ERR_FORBIDDEN"),
            Failure::Unavailable => (500, "Internal Server Error", "ERR_INTERNAL_SERVER"),
        };
        Reply::json_text(status, Object::new().text("message", message).text("errorCode", error_code).finish())
    }

    fn operation(&self) -> &'static str {
        include_str!("openapi/worth.json")
    }
}
