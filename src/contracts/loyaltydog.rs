//! LoyaltyDog: `POST /v2/giftcards/customers/logout`.
//!
//! The published service uses FastAPI: it rejects malformed JSON before it checks the credential, and checks the
//! credential before the fields of the body.

use super::fastapi::{Refusal, StringField, read_string_field};
use super::{BodyRule, Contract, Demand, Failure, Success};
use crate::http::Reply;
use crate::json::Object;
use crate::revocation::Scope;
use crate::token::BearerProblem;

/// LoyaltyDog's gift card customer logout.
#[derive(Debug)]
pub(super) struct LoyaltyDog;

/// The published `LogoutRequest`.
const SESSION_TOKEN: StringField = StringField { name: "sessionToken", min_length: 1, max_length: 128 };

impl Contract for LoyaltyDog {
    fn name(&self) -> &'static str {
        "loyaltydog"
    }

    fn paths(&self) -> &'static [&'static str] {
        &["/v2/giftcards/customers/logout"]
    }

    fn ends(&self) -> &'static [Scope] {
        &[Scope::Token]
    }

    fn body(&self) -> BodyRule {
        BodyRule::Session(session_token)
    }

    fn success(&self) -> Success {
        Success::Plain(Reply::json_text(200, r#"{"success":true,"message":"Logged out successfully"}"#))
    }

    fn failure(&self, failure: &Failure) -> Reply {
        let (status, detail) = match failure {
            Failure::BodyVerbatim { status, body } => return Reply::json_text(*status, body.clone()),
            Failure::Credential(BearerProblem::Missing | BearerProblem::Malformed) => (401, "Not authenticated"),
            Failure::Token(_) | Failure::Revoked | Failure::Forbidden | Failure::UserNotFound => (401, "Invalid token"),
            Failure::Body(message) => (400, *message),
            Failure::TooLarge => (413, "Request Entity Too Large"),
            Failure::UnsupportedMediaType => (415, "Unsupported Media Type"),
            Failure::MethodNotAllowed => (405, "Method Not Allowed"),
            Failure::Unavailable => (503, "Service Unavailable"),
        };
        Reply::json_text(status, Object::new().text("detail", detail).finish())
    }

    /// FastAPI's challenge without parameters.
    fn challenge(&self, failure: &Failure, status: u16) -> Option<String> {
        failure.challenge(status).map(|_| "Bearer".to_owned())
    }

    fn operation(&self) -> &'static str {
        include_str!("openapi/loyaltydog.json")
    }
}

fn session_token(body: &[u8], content_type: Option<&str>) -> Result<Demand, Failure> {
    match read_string_field(body, content_type, &SESSION_TOKEN) {
        Ok(session) => Ok(Demand::Session(session)),
        Err(Refusal::Invalid { body }) => Ok(Demand::Wrong(Failure::BodyVerbatim { status: 422, body })),
        Err(Refusal::Unreadable { status, body }) => Err(Failure::BodyVerbatim { status, body }),
    }
}
