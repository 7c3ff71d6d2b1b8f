//! Mints the anonymous session with which a user continues after a Commerce Engine storefront logout.
//!
//! `jwt-compact` computes HMAC signatures; the platform computes asymmetric ones.

use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use jwt_compact::alg::{Hs256, Hs384, Hs512};
use jwt_compact::{Algorithm as _, AlgorithmSignature};
use serde_json::{Map, Value};

use super::Algorithm;
use super::claims::ClaimNames;
use super::keys::{HmacKey, SigningKey, SigningMaterial};
use super::untrusted::SigningInput;
use super::verify::VerifiedToken;
use super::visitor::{self, Place};
use crate::json::{self, Object};
use crate::ports::Signatures;
use crate::time::Timestamp;

/// The `typ` of refresh tokens. Verification does not accept it, so a refresh token cannot be used as an access token.
const REFRESH_TOKEN_TYPE: &str = "rt+jwt";

/// The settings of anonymous sessions.
#[derive(Debug)]
pub struct AnonymousSessionRules {
    /// The signing key.
    pub key: SigningKey,
    /// `iss` of the new tokens.
    pub issuer: Option<String>,
    /// `aud` of the new tokens.
    pub audience: Option<String>,
    /// The names of the claims that identify what to revoke.
    pub claim_names: ClaimNames,
    /// The lifetime of the access token.
    pub access_lifetime: Duration,
    /// The lifetime of the refresh token.
    pub refresh_lifetime: Duration,
}

/// A new anonymous session.
#[derive(Clone, PartialEq, Eq)]
pub struct AnonymousSession {
    /// The access token.
    pub access_token: String,
    /// The refresh token.
    pub refresh_token: String,
}

/// Signing failed. Nothing has been revoked at this point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MintError;

impl AnonymousSessionRules {
    /// Whether a token belongs to a session minted with these settings.
    #[must_use]
    pub fn have_minted(&self, token: &VerifiedToken) -> bool {
        Place::of(token, &self.key).is_some()
    }
}

/// Mints the session that follows the one of `ended`, with the same store and channel.
///
/// # Errors
/// [`MintError`] if the platform cannot sign.
pub async fn mint_anonymous_session(
    ended: &VerifiedToken,
    rules: &AnonymousSessionRules,
    now: Timestamp,
    signatures: &impl Signatures,
) -> Result<AnonymousSession, MintError> {
    let key = &rules.key;
    let place = Place::of(ended, key).map_or_else(
        || Place::first(ended, now.plus(rules.access_lifetime), now.plus(rules.refresh_lifetime), key),
        Place::next,
    );
    let ids = place.ids(key);
    let shared = shared_claims(ended, rules, &ids.session, &ids.visitor(now));
    let access = own_claims(&shared, rules, &ids.access_token);
    let refresh = own_claims(&shared, rules, &ids.refresh_token);
    // Refresh tokens do not have this claim: sessions created from them belong to the vendor.
    let access = dated(&access, now, place.access_ends(now)).raw(visitor::CLAIM, &place.claim());
    let refresh = dated(&refresh, now, place.refresh_ends());
    Ok(AnonymousSession {
        access_token: sign("JWT", &access.finish(), key, signatures).await?,
        refresh_token: sign(REFRESH_TOKEN_TYPE, &refresh.finish(), key, signatures).await?,
    })
}

/// The claims of both tokens: under the names that Commerce Engine's clients read, and under the issuer's configured
/// names, so that the new session can be revoked like any other.
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
    // Insert one by one: collecting into a map would add a sort to the binary.
    let mut shared = Map::new();
    for (name, value) in claims {
        if let Some(value) = value {
            shared.insert(name.to_owned(), value);
        }
    }
    shared
}

/// The shared claims and the token id.
fn own_claims(shared: &Map<String, Value>, rules: &AnonymousSessionRules, id: &str) -> Map<String, Value> {
    let mut claims = shared.clone();
    claims.insert(rules.claim_names.token_id.clone(), Value::from(id));
    claims.insert("jti".to_owned(), Value::from(id));
    claims
}

/// The claims as JSON.
fn dated(claims: &Map<String, Value>, now: Timestamp, ends: i64) -> Object {
    let object = Object::new().number("exp", ends).number("iat", now.as_millis().div_euclid(1000));
    claims.iter().fold(object, |object, (name, claim)| object.raw(name, &json::text(claim)))
}

/// Signs a token and returns its compact serialization (RFC 7515 section 3.1).
async fn sign(
    token_type: &str,
    claims: &str,
    key: &SigningKey,
    signatures: &impl Signatures,
) -> Result<String, MintError> {
    let header = Object::new()
        .text("alg", algorithm(&key.material).name())
        .some_text("kid", key.key_id.as_deref())
        .text("typ", token_type)
        .finish();
    let encoded = |text: &str| Base64UrlUnpadded::encode_string(text.as_bytes());
    let input = [encoded(&header), encoded(claims)].join(".");
    let signature = match &key.material {
        SigningMaterial::Hmac(key) => sign_hmac(key, input.as_bytes()),
        SigningMaterial::Private(key) => signatures.sign(key, SigningInput(&input)).await.map_err(|_| MintError)?,
    };
    Ok([input, Base64UrlUnpadded::encode_string(&signature)].join("."))
}

fn algorithm(material: &SigningMaterial) -> Algorithm {
    match material {
        SigningMaterial::Hmac(HmacKey::Hs256(_)) => Algorithm::Hs256,
        SigningMaterial::Hmac(HmacKey::Hs384(_)) => Algorithm::Hs384,
        SigningMaterial::Hmac(HmacKey::Hs512(_)) => Algorithm::Hs512,
        SigningMaterial::Private(key) => key.algorithm,
    }
}

fn sign_hmac(key: &HmacKey, input: &[u8]) -> Vec<u8> {
    match key {
        HmacKey::Hs256(key) => Hs256.sign(key, input).as_bytes().into_owned(),
        HmacKey::Hs384(key) => Hs384.sign(key, input).as_bytes().into_owned(),
        HmacKey::Hs512(key) => Hs512.sign(key, input).as_bytes().into_owned(),
    }
}
