//! The five published logout contracts, and what a contract is.
//!
//! A sixth is one file and one entry in [`ALL`]; `docs/adding-a-contract.md` shows it with a worked example. A contract
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

    /// Whether the request names the session to end, apart from the bearer token.
    fn ends_session_of_body(&self) -> bool {
        matches!(self.body(), BodyRule::Session(_))
    }

    /// Whether success carries a new session and the user whose session has ended.
    fn answers_with_session(&self) -> bool {
        false
    }

    /// The answer to a logout that has succeeded.
    fn success(&self, done: &Done<'_>) -> Reply;

    /// The answer to a logout that has not.
    fn failure(&self, failure: &Failure) -> Reply;

    /// The value of `WWW-Authenticate` for a failure that is about the credential (RFC 6750 section 3).
    fn challenge(&self, failure: &Failure) -> Option<String> {
        failure.challenge()
    }

    /// The OpenAPI 3.1 operation object as JSON text: what the vendor publishes, with what is added here.
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
    Session(fn(&[u8], Option<&str>) -> Result<String, BodyRefusal>),
}

/// Why a body is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyRefusal {
    /// It cannot be read at all: answered before the credential is looked at.
    Unreadable(Failure),
    /// It is readable and wrong: answered only to somebody with a good credential.
    Invalid(Failure),
}

/// What success can tell.
#[derive(Clone, Copy, Debug)]
pub struct Done<'a> {
    /// The new session and the user whose session has ended, for contracts that answer with them.
    pub session: Option<(&'a AnonymousSession, &'a Map<String, Value>)>,
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
    /// The RFC 6750 challenge for failures that are about the credential.
    #[must_use]
    pub fn challenge(&self) -> Option<String> {
        match self {
            Self::Credential(BearerProblem::Missing) => Some("Bearer".to_owned()),
            Self::Credential(BearerProblem::Malformed) => {
                Some(challenge("invalid_request", "The Authorization header is no bearer header"))
            }
            Self::Token(problem) => Some(challenge("invalid_token", problem.description())),
            Self::Revoked => Some(challenge("invalid_token", "The access token was revoked")),
            Self::Forbidden => Some(challenge("insufficient_scope", "The access token is of another kind")),
            _ => None,
        }
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

fn challenge(error: &str, description: &str) -> String {
    format!(r#"Bearer error="{error}", error_description="{description}""#)
}
