//! Marzipan: `POST /account/logout`, published below `/v1`.

use super::{BodyRule, Contract, Failure, Success};
use crate::http::Reply;
use crate::json::Object;
use crate::revocation::Scope;

/// Marzipan's account logout.
#[derive(Debug)]
pub(super) struct Marzipan;

impl Contract for Marzipan {
    fn name(&self) -> &'static str {
        "marzipan"
    }

    fn paths(&self) -> &'static [&'static str] {
        &["/account/logout", "/v1/account/logout"]
    }

    fn ends(&self) -> &'static [Scope] {
        &[Scope::Token, Scope::Session]
    }

    fn body(&self) -> BodyRule {
        BodyRule::OptionalObject
    }

    /// The published contract does not specify the format of the account token.
    fn takes_opaque_tokens(&self) -> bool {
        true
    }

    fn success(&self) -> Success {
        Success::Plain(Reply::json_text(200, r#"{"message":"Logged out."}"#))
    }

    fn failure(&self, failure: &Failure) -> Reply {
        let (status, message) = match failure {
            // The contract publishes one response for all credential failures.
            Failure::Credential(_)
            | Failure::Token(_)
            | Failure::Revoked
            | Failure::Forbidden
            | Failure::UserNotFound => (401, "Unauthenticated."),
            Failure::Body(message) => (400, *message),
            Failure::BodyVerbatim { .. } => (400, "The body is invalid."),
            Failure::TooLarge => (413, "The body is too large."),
            Failure::UnsupportedMediaType => (415, "The body must be application/json."),
            Failure::MethodNotAllowed => (405, "Method not allowed."),
            Failure::Unavailable => (503, "Service unavailable. Please try again."),
        };
        Reply::json_text(status, Object::new().text("message", message).finish())
    }

    fn operation(&self) -> &'static str {
        include_str!("openapi/marzipan.json")
    }
}
