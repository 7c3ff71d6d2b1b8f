//! The anonymous session that a shopper goes on with after a Commerce Engine storefront logout.
//!
//! `jwt-compact` writes the tokens; HMAC signatures are made here, asymmetric ones by the platform.

use std::borrow::Cow;
use std::convert::Infallible;
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use chrono::DateTime;
use jwt_compact::alg::{Hs256, Hs384, Hs512};
use jwt_compact::{AlgorithmExt, AlgorithmSignature, Header};
use serde::Serialize;
use serde_json::{Map, Value};
use ulid::Ulid;

use super::claims::ClaimNames;
use super::keys::{HmacKey, PrivateKey, SigningKey, SigningMaterial};
use super::untrusted::SigningInput;
use super::verify::VerifiedToken;
use crate::ports::Signatures;
use crate::time::Timestamp;

/// The `typ` of refresh tokens: none of those that make an access token, so no check ever takes one for the other.
const REFRESH_TOKEN_TYPE: &str = "rt+jwt";

/// How anonymous sessions are minted.
#[derive(Debug)]
pub struct AnonymousSessionRules {
    /// The issuer's own signing key.
    pub key: SigningKey,
    /// `iss` of the new tokens.
    pub issuer: Option<String>,
    /// `aud` of the new tokens.
    pub audience: Option<String>,
    /// Under which names its tokens carry what they are revoked by.
    pub claim_names: ClaimNames,
    /// How long the access token lives.
    pub access_lifetime: Duration,
    /// How long the refresh token lives.
    pub refresh_lifetime: Duration,
}

/// A new anonymous session.
#[derive(Clone, PartialEq, Eq)]
pub struct AnonymousSession {
    /// Its access token.
    pub access_token: String,
    /// Its refresh token.
    pub refresh_token: String,
}

/// Why no session could be minted: no randomness, no signature. Nothing was revoked yet when this happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MintError;

/// Mints the session that follows the one of `ended`, in the same store and channel.
///
/// # Errors
/// [`MintError`] when the platform has no randomness or makes no signature.
pub async fn mint_anonymous_session(
    ended: &VerifiedToken,
    rules: &AnonymousSessionRules,
    now: Timestamp,
    signatures: &impl Signatures,
) -> Result<AnonymousSession, MintError> {
    let visitor = Ulid::from_parts(u64::try_from(now.as_millis()).unwrap_or(0), random()?).to_string();
    let shared = shared_claims(ended, rules, &random_id()?, &visitor);
    let access = dated(own_claims(&shared, rules)?, now, rules.access_lifetime);
    let refresh = dated(own_claims(&shared, rules)?, now, rules.refresh_lifetime);
    Ok(AnonymousSession {
        access_token: sign("JWT", &access, &rules.key, signatures).await?,
        refresh_token: sign(REFRESH_TOKEN_TYPE, &refresh, &rules.key, signatures).await?,
    })
}

/// The claims that both tokens share, as Commerce Engine's clients read them, and under the issuer's own names besides,
/// where those differ: so the new session can be revoked like any other.
fn shared_claims(
    ended: &VerifiedToken,
    rules: &AnonymousSessionRules,
    session: &str,
    visitor: &str,
) -> Map<String, Value> {
    let of_ended = |name: &str| ended.claims().get(name).cloned();
    let text = |text: &str| Some(Value::from(text));
    let claims = [
        ("iss", rules.issuer.as_deref().map(Value::from)),
        ("aud", rules.audience.as_deref().map(Value::from)),
        (rules.claim_names.session.as_str(), text(session)),
        (rules.claim_names.subject.as_str(), text(visitor)),
        ("sid", text(session)),
        ("ulid", text(visitor)),
        ("anonymous_id", text(visitor)),
        ("store_id", of_ended("store_id")),
        ("channel", of_ended("channel")),
        ("is_anonymous", Some(Value::Bool(true))),
        ("is_logged_in", Some(Value::Bool(false))),
    ];
    // One by one: collecting into a map would bring a sort along, 10 KB of wasm.
    let mut shared = Map::new();
    for (name, value) in claims {
        if let Some(value) = value {
            shared.insert(name.to_owned(), value);
        }
    }
    shared
}

/// The shared claims and an id of the token's own.
fn own_claims(shared: &Map<String, Value>, rules: &AnonymousSessionRules) -> Result<Map<String, Value>, MintError> {
    let id = Value::from(random_id()?);
    let mut claims = shared.clone();
    claims.insert(rules.claim_names.token_id.clone(), id.clone());
    claims.insert("jti".to_owned(), id);
    Ok(claims)
}

fn dated<T>(custom: T, now: Timestamp, lifetime: Duration) -> jwt_compact::Claims<T> {
    let mut claims = jwt_compact::Claims::new(custom);
    claims.issued_at = DateTime::from_timestamp_millis(now.as_millis());
    claims.expiration = DateTime::from_timestamp_millis(now.plus(lifetime).as_millis());
    claims
}

async fn sign<T: Serialize>(
    token_type: &str,
    claims: &jwt_compact::Claims<T>,
    key: &SigningKey,
    signatures: &impl Signatures,
) -> Result<String, MintError> {
    let mut header = Header::empty().with_token_type(token_type);
    header.key_id.clone_from(&key.key_id);
    match &key.material {
        SigningMaterial::Hmac(HmacKey::Hs256(key)) => Hs256.token(&header, claims, key),
        SigningMaterial::Hmac(HmacKey::Hs384(key)) => Hs384.token(&header, claims, key),
        SigningMaterial::Hmac(HmacKey::Hs512(key)) => Hs512.token(&header, claims, key),
        SigningMaterial::Private(key) => return sign_elsewhere(&header, claims, key, signatures).await,
    }
    .map_err(|_| MintError)
}

/// Has the platform sign: `jwt-compact` writes the token with an empty signature, which is then filled in.
async fn sign_elsewhere<T: Serialize>(
    header: &Header,
    claims: &jwt_compact::Claims<T>,
    key: &PrivateKey,
    signatures: &impl Signatures,
) -> Result<String, MintError> {
    let mut token = SignedElsewhere(key.algorithm).token(header, claims, &()).map_err(|_| MintError)?;
    let input = token.strip_suffix('.').ok_or(MintError)?;
    let signature = signatures.sign(key, SigningInput(input)).await.map_err(|_| MintError)?;
    token.push_str(&Base64UrlUnpadded::encode_string(&signature));
    Ok(token)
}

/// An algorithm whose signature is made afterwards.
struct SignedElsewhere(super::Algorithm);

/// The empty place where that signature goes.
struct Pending;

impl AlgorithmSignature for Pending {
    fn try_from_slice(_: &[u8]) -> Result<Self, anyhow::Error> {
        Ok(Self)
    }

    fn as_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&[])
    }
}

impl jwt_compact::Algorithm for SignedElsewhere {
    type SigningKey = ();
    type VerifyingKey = Infallible;
    type Signature = Pending;

    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(self.0.name())
    }

    fn sign(&self, (): &(), _message: &[u8]) -> Pending {
        Pending
    }

    fn verify_signature(&self, _signature: &Pending, key: &Infallible, _message: &[u8]) -> bool {
        match *key {}
    }
}

fn random() -> Result<u128, MintError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| MintError)?;
    Ok(u128::from_le_bytes(bytes))
}

/// 128 random bits, base64url.
fn random_id() -> Result<String, MintError> {
    Ok(Base64UrlUnpadded::encode_string(&random()?.to_le_bytes()))
}
