//! The bearer credential of a logout: good, not revoked, and of the right kind.

use std::time::Duration;

use crate::config::{Issuer, Tokens};
use crate::contracts::Failure;
use crate::keys::verify_now;
use crate::log::Notes;
use crate::ports::Platform;
use crate::revocation::{Authority, Doubt, Ended, Freshness, Matchable, Status};
use crate::time::Timestamp;
use crate::token::{MAX_TOKEN_BYTES, OpaqueToken, TokenProblem, UntrustedJwt, VerifiedToken, VerifyError};

/// A credential that is good and not revoked.
pub(super) enum Credential<'a> {
    /// A JWT that was verified.
    Jwt(Box<VerifiedToken>),
    /// An opaque token that was looked up.
    Opaque(OpaqueToken<'a>),
}

impl Credential<'_> {
    /// What ends with it.
    pub(super) fn ended(&self) -> Ended<'_> {
        match self {
            Self::Jwt(token) => Ended::Jwt(token),
            Self::Opaque(token) => Ended::Opaque(*token),
        }
    }
}

/// Judges a bearer token; keys, ledger and index may take `limit` in all to say whether it is good and not revoked.
pub(super) async fn authenticate<'a, P: Platform>(
    bearer: &'a str,
    issuer: &Issuer,
    freshness: Freshness,
    authority: &Authority<'_, P>,
    limit: Duration,
    notes: &mut Notes,
) -> Result<Credential<'a>, Failure> {
    let by = authority.platform.now().plus(limit);
    let credential = read(bearer, issuer, by, authority.platform, notes).await?;
    let matchable = Matchable::new(credential.ended(), &issuer.revocation);
    let known = authority.status_before_logout(&matchable, freshness, by.since(authority.platform.now())).await;
    match known.map_err(|doubt| unavailable(doubt, notes))?.status {
        Status::Revoked(_) => Err(Failure::Revoked),
        Status::Active if is_of_another_kind(&credential, issuer) => Err(Failure::Forbidden),
        Status::Active => Ok(credential),
    }
}

async fn read<'a, P: Platform>(
    bearer: &'a str,
    issuer: &Issuer,
    by: Timestamp,
    platform: &P,
    notes: &mut Notes,
) -> Result<Credential<'a>, Failure> {
    match &issuer.tokens {
        Tokens::Opaque if bearer.len() > MAX_TOKEN_BYTES => Err(Failure::Token(TokenProblem::TooLarge)),
        Tokens::Opaque => Ok(Credential::Opaque(OpaqueToken(bearer))),
        Tokens::Jwt(rules) => {
            let untrusted = UntrustedJwt::parse(bearer).map_err(Failure::Token)?;
            let token = verify_now(&untrusted, rules, by, platform).await.map_err(|error| match error {
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

fn is_of_another_kind(credential: &Credential<'_>, issuer: &Issuer) -> bool {
    match (credential, &issuer.tokens) {
        (Credential::Jwt(token), Tokens::Jwt(rules)) => token.lacks(&rules.required_claims).is_some(),
        _ => false,
    }
}

/// The failure when ledger or index do not answer, with its reason noted.
pub(super) fn unavailable(doubt: Doubt, notes: &mut Notes) -> Failure {
    notes.reason = Some(doubt.reason());
    Failure::Unavailable
}
