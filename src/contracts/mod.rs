//! The five published logout contracts, and what a contract is.
//!
//! A sixth is one file and one entry in [`ALL`]; `docs/guide/add-a-contract.md` shows it with a worked example. A contract
//! decides nothing but words: where it answers, what the request carries, what ends by default, and the bodies of
//! success and failure. Verification, revocation and HTTP's own rules are the same for all and stand elsewhere.

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

/// The contracts that can be configured.
pub const ALL: &[&dyn Contract] =
    &[&loyaltydog::LoyaltyDog, &worth::Worth, &marzipan::Marzipan, &pos::Pos, &storefront::Storefront];

/// One vendor's published logout endpoint.
pub trait Contract: Sync + std::fmt::Debug {
    /// Its name in the configuration, the log and metrics.
    fn name(&self) -> &'static str;

    /// Where it is published: the bare path, and the path below the published server's base.
    fn paths(&self) -> &'static [&'static str];

    /// What a logout ends unless a route says otherwise.
    fn ends(&self) -> &'static [Scope];

    /// How the request's body is read.
    fn body(&self) -> BodyRule;

    /// Whether its bearer token may be opaque: looked up, and never verified.
    fn takes_opaque_tokens(&self) -> bool {
        false
    }

    /// Whether the request names the session to end, apart from the bearer token.
    fn ends_session_of_body(&self) -> bool {
        matches!(self.body(), BodyRule::Session(_))
    }

    /// The answer to a logout that has succeeded.
    fn success(&self) -> Success;

    /// Whether success carries a new session and the user whose session has ended.
    fn answers_with_session(&self) -> bool {
        matches!(self.success(), Success::WithSession(_))
    }

    /// The answer to a logout that has not.
    fn failure(&self, failure: &Failure) -> Reply;

    /// The value of `WWW-Authenticate` for a failure that is about the credential (RFC 6750 section 3).
    fn challenge(&self, failure: &Failure, status: u16) -> Option<String> {
        failure.challenge(status)
    }

    /// The OpenAPI 3.1 operation object as JSON text: what the vendor publishes, with our additions. Its member
    /// `components` has the schemas that it refers to.
    fn operation(&self) -> &'static str;
}

/// How a contract reads the request's body.
#[derive(Clone, Copy)]
pub enum BodyRule {
    /// It carries nothing; announced as JSON, it must be JSON.
    JsonIfAnnounced,
    /// An optional JSON object that carries nothing.
    OptionalObject,
    /// It names the opaque session to end.
    Session(fn(&[u8], Option<&str>) -> Result<Demand, Failure>),
}

/// What the body of a logout asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// The end of the bearer token's own session.
    Own,
    /// The end of the opaque session that it names.
    Session(String),
    /// It is readable and wrong: told only to somebody with a good credential.
    Wrong(Failure),
}

/// How a contract answers to success.
pub enum Success {
    /// With the same words every time.
    Plain(Reply),
    /// With a new session and the user whose session has ended.
    WithSession(fn(&AnonymousSession, &Map<String, Value>) -> Reply),
}

/// Why a logout has not succeeded. Closed: each contract gives every one a body of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is no bearer token.
    Credential(BearerProblem),
    /// The token is no good.
    Token(TokenProblem),
    /// The token has been revoked already.
    Revoked,
    /// A good token of the wrong kind.
    Forbidden,
    /// The body is not what the contract says.
    Body(&'static str),
    /// The body is not what the contract says, in the very words of the vendor's own service.
    BodyVerbatim {
        /// Status code.
        status: u16,
        /// JSON text.
        body: String,
    },
    /// The body is larger than is read.
    TooLarge,
    /// The body is in a form that is not read.
    UnsupportedMediaType,
    /// The method is not the contract's.
    MethodNotAllowed,
    /// The user is not in the directory; the token has been revoked all the same.
    UserNotFound,
    /// Nothing was revoked, or it could not be told whether it was. Trying again is safe.
    Unavailable,
}

impl Failure {
    /// The RFC 6750 challenge for failures that are about the credential. The error goes with the status that the
    /// contract gives (section 3.1): one that has 401 alone says nothing of other statuses' errors.
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

    /// The word that the log has for it.
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
