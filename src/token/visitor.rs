//! The chain of anonymous sessions. Each logout of one answers with the next, so the chain has a limit.
//!
//! Ids are derived from the session that began the chain. So simultaneous logouts of one token answer with the same
//! next session, and a chain has at most [`MAX_SESSIONS`] sessions, however often somebody logs out.

use base64ct::{Base64UrlUnpadded, Encoding};
use jwt_compact::alg::{Hs256, Hs256Key};
use jwt_compact::{Algorithm as _, AlgorithmSignature};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use ulid::Ulid;

use super::keys::SigningKey;
use super::verify::VerifiedToken;
use crate::json::Object;
use crate::time::Timestamp;

/// The most anonymous sessions that follow one session of the vendor.
pub const MAX_SESSIONS: u64 = 16;
/// The claim of a minted access token with its place in the chain.
pub(super) const CLAIM: &str = "edge_logout";

/// An anonymous session's place in its chain.
pub(super) struct Place {
    /// The chain, as a digest of the session that began it.
    chain: String,
    /// Its number in the chain, from one.
    number: u64,
    /// `exp` of the chain's access tokens and refresh tokens, in seconds of Unix time: no logout renews them.
    access_ends: i64,
    refresh_ends: i64,
    /// Whether it is the chain's last session again, after that was logged out.
    is_spent: bool,
}

impl Place {
    /// The place of a token that was minted here with this key: its id must be derived from the place that it claims.
    pub fn of(token: &VerifiedToken, key: &SigningKey) -> Option<Self> {
        let claim = token.claims().get(CLAIM)?;
        let place = Self {
            chain: claim.get("chain").and_then(Value::as_str)?.to_owned(),
            number: claim.get("number").and_then(Value::as_u64)?,
            access_ends: seconds(token.expires_at()),
            refresh_ends: claim.get("refresh_exp").and_then(Value::as_i64)?,
            is_spent: false,
        };
        let is_own = (1..=MAX_SESSIONS).contains(&place.number)
            && token.id().jwt_id().is_some_and(|id| id == place.id("access token", key));
        is_own.then_some(place)
    }

    /// The first place after a session that was not minted here. Two logouts in one second begin one chain.
    pub fn first(ended: &VerifiedToken, access_ends: Timestamp, refresh_ends: Timestamp, key: &SigningKey) -> Self {
        let (access_ends, refresh_ends) = (seconds(access_ends), seconds(refresh_ends));
        let (kind, id) = match ended.session() {
            Some(session) => ("session", session),
            None => ("token", ended.id().as_str()),
        };
        let subject = ended.subject().unwrap_or_default();
        let chain = encode(&derive(key, &["chain", &access_ends.to_string(), subject, kind, id]));
        Self { chain, number: 1, access_ends, refresh_ends, is_spent: false }
    }

    /// The next place. After the last one it is the last one again, with an access token that has expired: the client
    /// goes on with the refresh token, as after any expiry.
    pub fn next(self) -> Self {
        let is_spent = self.number >= MAX_SESSIONS;
        Self { number: self.number.saturating_add(1).min(MAX_SESSIONS), is_spent, ..self }
    }

    /// `exp` of its access token when that is minted at `now`.
    pub fn access_ends(&self, now: Timestamp) -> i64 {
        if self.is_spent { self.access_ends.min(seconds(now)) } else { self.access_ends }
    }

    /// `exp` of its refresh token.
    pub const fn refresh_ends(&self) -> i64 {
        self.refresh_ends
    }

    /// An id of this session for a purpose: 128 bits that only the key's owner can predict, base64url.
    pub fn id(&self, of: &str, key: &SigningKey) -> String {
        encode(&self.derive(of, key))
    }

    /// The visitor's id: a ULID.
    pub fn visitor(&self, now: Timestamp, key: &SigningKey) -> String {
        let random = u128::from_le_bytes(self.derive("visitor", key));
        Ulid::from_parts(u64::try_from(now.as_millis()).unwrap_or(0), random).to_string()
    }

    /// The value of [`CLAIM`], as JSON.
    pub fn claim(&self) -> String {
        Object::new()
            .text("chain", &self.chain)
            .raw("number", &self.number.to_string())
            .number("refresh_exp", self.refresh_ends)
            .finish()
    }

    fn derive(&self, of: &str, key: &SigningKey) -> [u8; 16] {
        derive(key, &[of, &self.number.to_string(), &self.chain])
    }
}

/// Derived bits: HMAC-SHA-256 under a key that is derived for this purpose.
fn derive(key: &SigningKey, parts: &[&str]) -> [u8; 16] {
    let secret = Sha256::new().chain_update("edge-logout anonymous sessions\n").chain_update(key.secret()).finalize();
    let signature = Hs256.sign(&Hs256Key::new(secret), parts.join("\n").as_bytes());
    signature.as_bytes().first_chunk().copied().unwrap_or_default()
}

fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

const fn seconds(time: Timestamp) -> i64 {
    time.as_millis().div_euclid(1000)
}
