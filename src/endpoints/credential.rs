//! Authenticates the bearer token of a logout.

use std::time::Duration;

use crate::config::{Issuer, Tokens};
use crate::contracts::Failure;
use crate::keys::verify_now;
use crate::log::Notes;
use crate::ports::Platform;
use crate::revocation::{Authority, AuthorityError, Freshness, Matchable, RevocableToken, Status};
use crate::time::Timestamp;
use crate::token::{MAX_TOKEN_BYTES, OpaqueToken, TokenProblem, UntrustedJwt, VerifiedToken, VerifyError};

/// A valid credential that is not revoked.
pub(super) enum Credential<'a> {
    /// A verified JWT.
    Jwt(Box<VerifiedToken>),
    /// An opaque token.
    Opaque(OpaqueToken<'a>),
}

impl Credential<'_> {
    /// The token to revoke.
    pub(super) fn revocable_token(&self) -> RevocableToken<'_> {
        match self {
            Self::Jwt(token) => RevocableToken::Jwt(token),
            Self::Opaque(token) => RevocableToken::Opaque(*token),
        }
    }
}

/// Verifies a bearer token and checks that it is not revoked, within `limit`.
pub(super) async fn authenticate<'a, P: Platform>(
    bearer: &'a str,
    issuer: &Issuer,
    freshness: Freshness,
    authority: &Authority<'_, P>,
    limit: Duration,
    notes: &mut Notes,
) -> Result<Credential<'a>, Failure> {
    let deadline = authority.platform.now().plus(limit);
    let credential = read(bearer, issuer, deadline, authority.platform, notes).await?;
    let matchable = Matchable::new(credential.revocable_token(), &issuer.revocation);
    let status = authority.status_before_logout(&matchable, freshness, deadline.since(authority.platform.now())).await;
    match status.map_err(|error| unavailable(error, notes))?.status {
        Status::Revoked(_) => Err(Failure::Revoked),
        Status::Active if lacks_required_claims(&credential, issuer) => Err(Failure::Forbidden),
        Status::Active => Ok(credential),
    }
}

async fn read<'a, P: Platform>(
    bearer: &'a str,
    issuer: &Issuer,
    deadline: Timestamp,
    platform: &P,
    notes: &mut Notes,
) -> Result<Credential<'a>, Failure> {
    match &issuer.tokens {
        Tokens::Opaque if bearer.len() > MAX_TOKEN_BYTES => Err(Failure::Token(TokenProblem::TooLarge)),
        Tokens::Opaque => Ok(Credential::Opaque(OpaqueToken(bearer))),
        Tokens::Jwt(rules) => {
            let untrusted = UntrustedJwt::parse(bearer).map_err(Failure::Token)?;
            let token = verify_now(&untrusted, rules, deadline, platform).await.map_err(|error| match error {
                VerifyError::Bad(problem) => Failure::Token(problem),
                VerifyError::CannotTell => {
                    notes.reason = Some("cannot_verify");
                    Failure::Unavailable
                }
            })?;
            notes.key_id = token.key_id().map(str::to_owned);
            Ok(Credential::Jwt(Box::new(token)))
        }
    }
}

fn lacks_required_claims(credential: &Credential<'_>, issuer: &Issuer) -> bool {
    match (credential, &issuer.tokens) {
        (Credential::Jwt(token), Tokens::Jwt(rules)) => token.lacks(&rules.required_claims).is_some(),
        _ => false,
    }
}

/// The failure for an outage of the ledger or Workers KV. Notes its reason for the log.
pub(super) fn unavailable(error: AuthorityError, notes: &mut Notes) -> Failure {
    notes.reason = Some(error.reason());
    Failure::Unavailable
}
