//! Tokens, signed and then verified by the shipped code: there is no other way to one.

use std::rc::Rc;
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use edge_logout::keys::IssuerKeys;
use edge_logout::ports::{Signatures, Unavailable};
use edge_logout::revocation::RevocationRules;
use edge_logout::time::Timestamp;
use edge_logout::token::{
    Algorithm, ClaimNames, ConfirmationRule, Jwk, JwtRules, KeyRing, PrivateKey, PublicKey, SigningInput,
    VerifiedToken, verify,
};
use futures_util::FutureExt;
use jwt_compact::alg::{Hs256, Hs256Key};
use jwt_compact::{AlgorithmExt, Claims, Header};
use serde_json::json;

use super::clock;
use super::world::timestamp;

pub const ISSUER: &str = "shop";
const KEY: [u8; 32] = [7; 32];

/// The issuer.
pub struct Mint {
    rules: JwtRules,
    pub revocation: RevocationRules,
}

/// HMAC never leaves the core.
struct NoSignatures;

impl Signatures for NoSignatures {
    async fn verify(&self, _: &PublicKey, _: SigningInput<'_>, _: &[u8]) -> Result<bool, Unavailable> {
        Err(Unavailable)
    }

    async fn sign(&self, _: &PrivateKey, _: SigningInput<'_>) -> Result<Vec<u8>, Unavailable> {
        Err(Unavailable)
    }
}

impl Mint {
    pub fn new(lifetime: Duration) -> Self {
        let jwk = Jwk::read(json!({ "kty": "oct", "alg": "HS256", "k": Base64UrlUnpadded::encode_string(&KEY) }));
        let key = jwk.expect("a JWK").verification_key(&[Algorithm::Hs256], true).expect("a key");
        let rules = JwtRules {
            issuers: Vec::new(),
            audiences: Vec::new(),
            keys: IssuerKeys::Configured(Rc::new(KeyRing { keys: vec![key], ..KeyRing::default() })),
            leeway: Duration::from_secs(5),
            longest_lifetime: lifetime,
            claim_names: ClaimNames::default(),
            required_claims: Vec::new(),
            confirmation: ConfirmationRule::default(),
        };
        let revocation = RevocationRules {
            issuer: ISSUER.to_owned(),
            leeway: rules.leeway,
            longest_lifetime: lifetime,
            digests: Rc::default(),
        };
        Self { rules, revocation }
    }

    /// A token that nobody had before.
    pub fn token(&self, number: u64) -> VerifiedToken {
        let now = timestamp(clock::now());
        let seconds = now.as_millis() / 1_000;
        let claims = json!({
            "sub": format!("user-{number}"), "sid": format!("session-{number}"), "jti": format!("token-{number}"),
            "iat": seconds, "exp": seconds + self.rules.longest_lifetime.as_secs() as i64,
        });
        let text = Hs256.token(&Header::empty(), &Claims::new(claims), &Hs256Key::new(KEY)).expect("signs");
        verify(&text, &self.rules, now, &NoSignatures).now_or_never().expect("waits for nobody").expect("is good")
    }
}

/// The world's clock as the core has it.
pub const BEGINNING: Timestamp = Timestamp::from_seconds(1_800_000_000);
