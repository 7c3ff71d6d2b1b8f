//! Verifies tokens (RFC 7519 section 7.2, RFC 8725). Only this module creates a [`VerifiedToken`].

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::keys::{VerificationKey, VerificationMaterial};
use super::{ClaimNames, Claims, KeyRing, TokenId, TokenProblem, UntrustedJwt};
use crate::keys::{IssuerKeys, KeyMark};
use crate::ports::{Signatures, Unavailable};
use crate::time::Timestamp;

/// The rules for an issuer's JWTs.
#[derive(Debug)]
pub struct JwtRules {
    /// The accepted values of `iss`. Empty: tokens must not have `iss`.
    pub issuers: Vec<String>,
    /// The accepted values of `aud`, of which a token must have one. Empty: tokens must not have `aud`.
    pub audiences: Vec<String>,
    /// The verification keys.
    pub keys: IssuerKeys,
    /// The permitted clock difference.
    pub leeway: Duration,
    /// The maximum lifetime, from `iat`, or from now without one. Revocations of sessions and subjects live as long, so
    /// that no token outlives them.
    pub longest_lifetime: Duration,
    /// The names of the claims that identify what to revoke.
    pub claim_names: ClaimNames,
    /// Claims that a token must have; see [`VerifiedToken::lacks`].
    pub required_claims: Vec<RequiredClaim>,
    /// How to treat tokens that are bound to a key.
    pub confirmation: ConfirmationRule,
}

/// How to treat a bearer token that is bound to a key (`cnf`, RFC 7800 section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConfirmationRule {
    /// Reject it: a stolen token would look the same.
    #[default]
    Refuse,
    /// Accept it, and pass the key's thumbprint to the API, which verifies the proof of possession.
    PassOn,
}

/// The key that a token is bound to (RFC 7800).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// `jkt` (RFC 9449 section 6.1) or `x5t#S256` (RFC 8705 section 3.1).
    pub method: &'static str,
    /// The SHA-256 thumbprint in base64url.
    pub thumbprint: String,
}

impl JwtRules {
    /// Whether a token with a single audience could be valid under both rules.
    ///
    /// An identity provider may serve several audiences, each a separate issuer here. A token with two of them then
    /// counts as two tokens, which are logged out separately.
    #[must_use]
    pub fn may_share_tokens_with(&self, other: &Self) -> bool {
        let overlap = |one: &[String], other: &[String]| {
            (one.is_empty() && other.is_empty()) || one.iter().any(|name| other.contains(name))
        };
        overlap(&self.issuers, &other.issuers)
            && overlap(&self.audiences, &other.audiences)
            && self.keys.may_share_a_key_with(&other.keys)
    }
}

/// A required claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredClaim {
    /// The name of the claim.
    pub name: String,
    /// The accepted values. The claim must have at least one of them.
    pub values: Vec<String>,
}

/// Why verification failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyError {
    /// The token is invalid.
    Bad(TokenProblem),
    /// The signature could not be checked, so nothing is known about the token.
    CannotTell,
}

impl From<TokenProblem> for VerifyError {
    fn from(problem: TokenProblem) -> Self {
        Self::Bad(problem)
    }
}

/// A token with a valid signature, issuer, audience and times. Only [`verify`] creates one.
#[derive(Clone)]
pub struct VerifiedToken {
    id: TokenId,
    session: Option<String>,
    subject: Option<String>,
    expires_at: Timestamp,
    key_id: Option<String>,
    key_mark: KeyMark,
    confirmation: Option<Confirmation>,
    claims: Claims,
}

impl fmt::Debug for VerifiedToken {
    /// Omits personal data.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("VerifiedToken").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl VerifiedToken {
    /// The identity of the token.
    #[must_use]
    pub const fn id(&self) -> &TokenId {
        &self.id
    }

    /// The session id.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// The subject.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The issue time (`iat`). A token without one matches every cut-off.
    #[must_use]
    pub const fn issued_at(&self) -> Option<Timestamp> {
        self.claims.issued_at()
    }

    /// The expiry (`exp`), without leeway.
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// The `kid` of the key that verified it.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The key that verified it.
    #[must_use]
    pub const fn key_mark(&self) -> KeyMark {
        self.key_mark
    }

    /// The key that it is bound to, if any.
    #[must_use]
    pub const fn confirmation(&self) -> Option<&Confirmation> {
        self.confirmation.as_ref()
    }

    /// All claims.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The first required claim that the token does not have, if any.
    #[must_use]
    pub fn lacks<'a>(&self, required: &'a [RequiredClaim]) -> Option<&'a RequiredClaim> {
        required.iter().find(|claim| !holds_one_of(&self.claims, claim))
    }
}

/// Verifies a token. Checks the signature first, before it reads any claim.
///
/// # Errors
/// [`VerifyError::Bad`] if the token is invalid, [`VerifyError::CannotTell`] if the signature could not be checked.
pub async fn verify(
    token: &str,
    rules: &JwtRules,
    now: Timestamp,
    signatures: &impl Signatures,
) -> Result<VerifiedToken, VerifyError> {
    let untrusted = UntrustedJwt::parse(token)?;
    let keys = rules.keys.current(now).ok_or(VerifyError::CannotTell)?;
    verify_with(&untrusted, rules, &keys, now, signatures).await
}

/// Verifies a token with the given keys of its issuer.
pub(crate) async fn verify_with(
    untrusted: &UntrustedJwt<'_>,
    rules: &JwtRules,
    keys: &KeyRing,
    now: Timestamp,
    signatures: &impl Signatures,
) -> Result<VerifiedToken, VerifyError> {
    let key = signing_key(untrusted, keys, signatures).await?;
    let claims = untrusted.claims()?;
    judge_names(&claims, rules)?;
    // Security event tokens and logout tokens have the same keys, but are not access tokens (RFC 8417 section 4.6).
    if claims.has("events") {
        return Err(TokenProblem::NotAnAccessToken.into());
    }
    let expires_at = judge_times(&claims, rules, now)?;
    let confirmation = judge_confirmation(&claims, rules)?;
    let names = &rules.claim_names;
    let id = claims
        .identifier(&names.token_id)?
        .map_or_else(|| TokenId::from_signing_input(untrusted.signing_input()), |id| TokenId::from_jwt_id(&id));
    Ok(VerifiedToken {
        id,
        session: claims.identifier(&names.session)?,
        subject: claims.identifier(&names.subject)?,
        expires_at,
        key_id: key.key_id().map(str::to_owned),
        key_mark: KeyMark { slot: key.slot(), generation: keys.generation },
        confirmation,
        claims,
    })
}

/// Finds the key that signed the token.
async fn signing_key<'a>(
    token: &UntrustedJwt<'_>,
    keys: &'a KeyRing,
    signatures: &impl Signatures,
) -> Result<&'a VerificationKey, VerifyError> {
    if !keys.knows_algorithm(token.algorithm()) {
        return Err(TokenProblem::AlgorithmNotAllowed.into());
    }
    let mut error = VerifyError::Bad(TokenProblem::UnknownKey);
    for key in keys.candidates(token.algorithm(), token.key_id()) {
        let length = token.signature().len();
        let good = match key.material() {
            // Web Crypto throws on an Ed25519 signature of another length, which would look like an outage.
            _ if key.algorithm().signature_bytes().is_some_and(|bytes| bytes != length) => false,
            VerificationMaterial::Hmac(hmac) => hmac.verify(token.signing_input(), token.signature()),
            VerificationMaterial::Public(public) => {
                match signatures.verify(public, token.signing_input(), token.signature()).await {
                    Ok(good) => good,
                    Err(Unavailable) => {
                        // Try the other keys even if one cannot be used.
                        error = VerifyError::CannotTell;
                        continue;
                    }
                }
            }
        };
        if good {
            return Ok(key);
        }
        if error != VerifyError::CannotTell {
            error = VerifyError::Bad(TokenProblem::BadSignature);
        }
    }
    Err(error)
}

/// Checks `iss` and `aud`: one of the configured values, or absent if none is configured (RFC 8725 sections 3.8 and
/// 3.9).
fn judge_names(claims: &Claims, rules: &JwtRules) -> Result<(), TokenProblem> {
    let issuer = match claims.get("iss") {
        None => None,
        Some(Value::String(issuer)) => Some(issuer),
        Some(_) => return Err(TokenProblem::MalformedClaims),
    };
    let issuer_is_right = match issuer {
        None => rules.issuers.is_empty(),
        Some(issuer) => rules.issuers.contains(issuer),
    };
    if !issuer_is_right {
        return Err(TokenProblem::WrongIssuer);
    }
    let audiences = claims.texts("aud")?;
    let audience_is_right = if rules.audiences.is_empty() {
        audiences.is_empty()
    } else {
        audiences.iter().any(|audience| rules.audiences.iter().any(|own| own == audience))
    };
    if audience_is_right { Ok(()) } else { Err(TokenProblem::WrongAudience) }
}

/// Rejects `cnf` or, with `pass_on`, parses it: exactly one of the thumbprints `jkt` and `x5t#S256`.
fn judge_confirmation(claims: &Claims, rules: &JwtRules) -> Result<Option<Confirmation>, TokenProblem> {
    const THUMBPRINT_CHARS: usize = 43;
    let Some(bound_to) = claims.get("cnf") else { return Ok(None) };
    if rules.confirmation == ConfirmationRule::Refuse {
        return Err(TokenProblem::BoundToken);
    }
    let members = bound_to.as_object().filter(|members| members.len() == 1).ok_or(TokenProblem::MalformedClaims)?;
    let found = ["jkt", "x5t#S256"].into_iter().find_map(|method| Some((method, members.get(method)?.as_str()?)));
    let (method, thumbprint) = found.ok_or(TokenProblem::MalformedClaims)?;
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if thumbprint.len() != THUMBPRINT_CHARS || !thumbprint.bytes().all(is_base64url) {
        return Err(TokenProblem::MalformedClaims);
    }
    Ok(Some(Confirmation { method, thumbprint: thumbprint.to_owned() }))
}

/// Checks `exp`, `nbf`, `iat` and the lifetime. Returns `exp`.
fn judge_times(claims: &Claims, rules: &JwtRules, now: Timestamp) -> Result<Timestamp, TokenProblem> {
    let expires_at = claims.expires_at().ok_or(TokenProblem::NoExpiry)?;
    if now >= expires_at.plus(rules.leeway) {
        return Err(TokenProblem::Expired);
    }
    let soon = now.plus(rules.leeway);
    // A token with `iat` in the future would not match earlier cut-offs.
    if [claims.not_before(), claims.issued_at()].into_iter().flatten().any(|begin| begin > soon) {
        return Err(TokenProblem::NotYetValid);
    }
    // Without `iat`, assume the latest possible issue time: now.
    let issued_at = claims.issued_at().unwrap_or(now);
    if expires_at > issued_at.plus(rules.longest_lifetime) {
        return Err(TokenProblem::LivesTooLong);
    }
    Ok(expires_at)
}

/// Whether a claim has one of the values: as a string, in an array, or in a space-separated `scope` (RFC 8693 section
/// 4.2).
fn holds_one_of(claims: &Claims, required: &RequiredClaim) -> bool {
    let Ok(texts) = claims.texts(&required.name) else { return false };
    let is_wanted = |text: &str| required.values.iter().any(|value| value == text);
    if required.name == "scope" {
        texts.iter().flat_map(|text| text.split(' ')).any(is_wanted)
    } else {
        texts.into_iter().any(is_wanted)
    }
}
