//! Verification: the one way to a [`VerifiedToken`] (RFC 7519 section 7.2, RFC 8725).

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::keys::{VerificationKey, VerificationMaterial};
use super::{ClaimNames, Claims, KeyRing, TokenId, TokenProblem, UntrustedJwt};
use crate::keys::{IssuerKeys, KeyMark};
use crate::ports::{Signatures, Unavailable};
use crate::time::Timestamp;

/// What an issuer's JWTs must be.
#[derive(Debug)]
pub struct JwtRules {
    /// The values of `iss` that are this issuer's; none when its tokens carry no `iss`.
    pub issuers: Vec<String>,
    /// The values of `aud` of which one must be there; none when its tokens carry no `aud`.
    pub audiences: Vec<String>,
    /// The keys.
    pub keys: IssuerKeys,
    /// How far clocks may be apart.
    pub leeway: Duration,
    /// How long a token may live at the most, measured from its `iat`, or from now without one. Revocations of sessions
    /// and users live as long, so that no token with an `iat` outlives them.
    pub longest_lifetime: Duration,
    /// Where tokens carry what they are revoked by.
    pub claim_names: ClaimNames,
    /// What a token of the right kind carries besides; see [`VerifiedToken::lacks`].
    pub required_claims: Vec<RequiredClaim>,
    /// How tokens that are bound to a key are treated.
    pub confirmation: ConfirmationRule,
}

/// How a token that is bound to a key (`cnf`, RFC 7800 section 3.1) and sent as a plain bearer token is treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConfirmationRule {
    /// It is refused: a thief could send it in the same way.
    #[default]
    Refuse,
    /// It is good. The API gets the key's thumbprint, and checks the proof of possession.
    PassOn,
}

/// The key that a token is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// `jkt` (RFC 9449 section 6.1) or `x5t#S256` (RFC 8705 section 3.1).
    pub method: &'static str,
    /// The SHA-256 thumbprint in base64url.
    pub thumbprint: String,
}

impl JwtRules {
    /// Whether a token for one audience could be good under these rules and under others.
    ///
    /// One identity provider may serve several audiences, each an issuer of its own here: a token that names two of them
    /// then counts as two, and is logged out of each by itself.
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

/// A claim that must hold one of some values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredClaim {
    /// The claim's name.
    pub name: String,
    /// The values of which it must hold at least one.
    pub values: Vec<String>,
}

/// Why a token did not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyError {
    /// The token is no good.
    Bad(TokenProblem),
    /// The signature could not be checked: nothing is known about the token.
    CannotTell,
}

impl From<TokenProblem> for VerifyError {
    fn from(problem: TokenProblem) -> Self {
        Self::Bad(problem)
    }
}

/// A token whose signature, issuer, audience and times are good. Only [`verify`] makes one.
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
    /// Names nobody.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("VerifiedToken").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl VerifiedToken {
    /// What this token is called.
    #[must_use]
    pub const fn id(&self) -> &TokenId {
        &self.id
    }

    /// The session that it belongs to.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// The user that it speaks for.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// When it was issued; a token that does not say is matched by every cut-off.
    #[must_use]
    pub const fn issued_at(&self) -> Option<Timestamp> {
        self.claims.issued_at()
    }

    /// When it expires, without leeway.
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// The `kid` of the key that verified it, as configured.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Which key of its issuer has verified it.
    #[must_use]
    pub const fn key_mark(&self) -> KeyMark {
        self.key_mark
    }

    /// The key that it is bound to.
    #[must_use]
    pub const fn confirmation(&self) -> Option<&Confirmation> {
        self.confirmation.as_ref()
    }

    /// All its claims.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The first of the required claims that it lacks: a good token, but of another kind.
    #[must_use]
    pub fn lacks<'a>(&self, required: &'a [RequiredClaim]) -> Option<&'a RequiredClaim> {
        required.iter().find(|claim| !holds_one_of(&self.claims, claim))
    }
}

/// Verifies a token.
///
/// The signature comes first: no claim is read before it verifies.
///
/// # Errors
/// [`VerifyError::Bad`] with what is wrong with the token, [`VerifyError::CannotTell`] when its signature could not be
/// checked.
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

/// Verifies a token with these keys of its issuer.
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
    // Security event and logout tokens are signed with the same keys (RFC 8417 section 4.6), but are no access tokens.
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

/// The key that has signed the token.
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
            // The runtime's WebCrypto throws at an Ed25519 signature of another length, as if it could not tell.
            _ if key.algorithm().signature_bytes().is_some_and(|bytes| bytes != length) => false,
            VerificationMaterial::Hmac(hmac) => hmac.verify(token.signing_input(), token.signature()),
            VerificationMaterial::Public(public) => {
                match signatures.verify(public, token.signing_input(), token.signature()).await {
                    Ok(good) => good,
                    Err(Unavailable) => {
                        // One key that cannot be used must not keep the others from being tried.
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

/// `iss` and `aud`: one of those configured, or absent when none is (RFC 8725 sections 3.8 and 3.9).
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

/// Refuses `cnf`, or reads it for `pass_on`: one key, by one of the thumbprints `jkt` and `x5t#S256`.
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

/// `exp`, `nbf`, `iat` and the longest lifetime. Gives `exp`.
fn judge_times(claims: &Claims, rules: &JwtRules, now: Timestamp) -> Result<Timestamp, TokenProblem> {
    let expires_at = claims.expires_at().ok_or(TokenProblem::NoExpiry)?;
    if now >= expires_at.plus(rules.leeway) {
        return Err(TokenProblem::Expired);
    }
    let soon = now.plus(rules.leeway);
    // A token from the future would escape every cut-off that is made before it begins.
    if [claims.not_before(), claims.issued_at()].into_iter().flatten().any(|begin| begin > soon) {
        return Err(TokenProblem::NotYetValid);
    }
    // Without `iat` a token counts as issued now, which is the latest that it can have been.
    let issued_at = claims.issued_at().unwrap_or(now);
    if expires_at > issued_at.plus(rules.longest_lifetime) {
        return Err(TokenProblem::LivesTooLong);
    }
    Ok(expires_at)
}

/// Whether a claim holds one of the values: as a text, in a list of texts, or in a space-separated `scope`
/// (RFC 8693 section 4.2).
fn holds_one_of(claims: &Claims, required: &RequiredClaim) -> bool {
    let Ok(texts) = claims.texts(&required.name) else { return false };
    let is_wanted = |text: &str| required.values.iter().any(|value| value == text);
    if required.name == "scope" {
        texts.iter().flat_map(|text| text.split(' ')).any(is_wanted)
    } else {
        texts.into_iter().any(is_wanted)
    }
}
