//! The contracts: the vendors' published logout endpoints.
//!
//! To add a contract, add a file and an entry in [`ALL`]; `docs/guide/add-a-contract.md` has an example. A contract
//! defines only its paths, the request body, the default scopes, and the bodies of success and failure. Verification,
//! revocation and HTTP semantics are common to all contracts.

use serde_json::{Map, Value};

use crate::http::Reply;
use crate::revocation::Scope;
use crate::token::{AnonymousSession, BearerProblem, TokenProblem};

mod commerce_engine;
pub mod fastapi;
mod loyaltydog;
mod marzipan;
mod pos;
mod storefront;
mod worth;

/// All contracts.
pub const ALL: &[&dyn Contract] =
    &[&loyaltydog::LoyaltyDog, &worth::Worth, &marzipan::Marzipan, &pos::Pos, &storefront::Storefront];

/// A vendor's published logout endpoint.
pub trait Contract: Sync + std::fmt::Debug {
    /// The name in the configuration, the log and metrics.
    fn name(&self) -> &'static str;

    /// The published paths: without and with the base path of the vendor's server.
    fn paths(&self) -> &'static [&'static str];

    /// The scopes that a logout revokes by default.
    fn ends(&self) -> &'static [Scope];

    /// How to read the request body.
    fn body(&self) -> BodyRule;

    /// Whether the bearer token may be opaque, that is, looked up without verification.
    fn takes_opaque_tokens(&self) -> bool {
        false
    }

    /// Whether the request body names the session to end.
    fn ends_session_of_body(&self) -> bool {
        matches!(self.body(), BodyRule::Session(_))
    }

    /// The response to a successful logout.
    fn success(&self) -> Success;

    /// Whether the success response has a new session and the user.
    fn answers_with_session(&self) -> bool {
        matches!(self.success(), Success::WithSession(_))
    }

    /// The response to a failed logout.
    fn failure(&self, failure: &Failure) -> Reply;

    /// The value of `WWW-Authenticate` for a credential failure (RFC 6750 section 3).
    fn challenge(&self, failure: &Failure, status: u16) -> Option<String> {
        failure.challenge(status)
    }

    /// The OpenAPI 3.1 operation object as JSON text: the vendor's, with additions. Its member `components` has the
    /// referenced schemas.
    fn operation(&self) -> &'static str;
}

/// How to read the request body.
#[derive(Clone, Copy)]
pub enum BodyRule {
    /// Ignored. With a JSON `Content-Type` it must be valid JSON.
    JsonIfAnnounced,
    /// An optional JSON object, ignored.
    OptionalObject,
    /// Names the opaque session to end.
    Session(fn(&[u8], Option<&str>) -> Result<Demand, Failure>),
}

/// What a logout request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// End the session of the bearer token.
    Own,
    /// End this opaque session.
    Session(String),
    /// The body is invalid. Disclosed only to a caller with a valid credential.
    Wrong(Failure),
}

/// The success response of a contract.
pub enum Success {
    /// A constant response.
    Plain(Reply),
    /// A response with a new anonymous session and the user.
    WithSession(fn(&AnonymousSession, &Map<String, Value>) -> Reply),
}

/// Why a logout failed. Each contract maps every failure to a response body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The bearer token is missing or malformed.
    Credential(BearerProblem),
    /// The token is invalid.
    Token(TokenProblem),
    /// The token is already revoked.
    Revoked,
    /// A valid token that lacks the issuer's required claims.
    Forbidden,
    /// The body does not match the contract.
    Body(&'static str),
    /// The body does not match the contract, with the exact response of the vendor's service.
    BodyVerbatim {
        /// Status code.
        status: u16,
        /// JSON text.
        body: String,
    },
    /// The body is too large.
    TooLarge,
    /// The media type of the body is not supported.
    UnsupportedMediaType,
    /// The method is not allowed.
    MethodNotAllowed,
    /// The user is not in the directory. The token was revoked nevertheless.
    UserNotFound,
    /// The service is unavailable. The revocation may or may not be recorded; retrying is safe.
    Unavailable,
}

impl Failure {
    /// The RFC 6750 challenge for credential failures. Its error code must match the contract's status (section 3.1).
    #[must_use]
    pub fn challenge(&self, status: u16) -> Option<String> {
        let (error, description) = match self {
            Self::Credential(BearerProblem::Malformed) if status == 400 => {
                ("invalid_request", "The Authorization header is no bearer header")
            }
            Self::Credential(_) => return Some("Bearer".to_owned()),
            Self::Token(problem) => ("invalid_token", problem.description()),
            Self::Revoked => ("invalid_token", "The access token was revoked"),
            Self::Forbidden if status == 403 => ("insufficient_scope", "The access token is of another kind"),
            Self::Forbidden => ("invalid_token", "The access token is of another kind"),
            _ => return None,
        };
        Some([r#"Bearer error=""#, error, r#"", error_description=""#, description, "\""].concat())
    }

    /// The reason in the log.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Credential(problem) => problem.reason(),
            Self::Token(problem) => problem.reason(),
            Self::Revoked => "revoked",
            Self::Forbidden => "wrong_kind_of_token",
            Self::Body(_) | Self::BodyVerbatim { .. } => "bad_body",
            Self::TooLarge => "body_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::UserNotFound => "user_not_found",
            Self::Unavailable => "unavailable",
        }
    }
}
