//! The chain of anonymous sessions. Each logout of an anonymous session responds with the next one, up to a limit.
//!
//! Ids are derived from the session that started the chain. Concurrent logouts of a token therefore respond with the
//! same next session, and a chain has at most [`MAX_SESSIONS`] sessions.

use base64ct::{Base64UrlUnpadded, Encoding};
use jwt_compact::alg::{Hs512, Hs512Key};
use jwt_compact::{Algorithm as _, AlgorithmSignature};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use ulid::Ulid;

use super::keys::SigningKey;
use super::verify::VerifiedToken;
use crate::json::Object;
use crate::time::Timestamp;

/// The maximum number of anonymous sessions that follow a session of the vendor.
pub const MAX_SESSIONS: u64 = 16;
/// The claim with the position of a minted access token in its chain.
pub(super) const CLAIM: &str = "edge_logout";

/// The position of an anonymous session in its chain.
pub(super) struct Place {
    /// The id of the chain: a digest of the session that started it.
    chain: String,
    /// The number of the session in the chain, from 1.
    number: u64,
    /// `exp` of the chain's access tokens and refresh tokens, in seconds of Unix time. A logout does not extend them.
    access_ends: i64,
    refresh_ends: i64,
    /// Whether this repeats the last session of the chain, after that was logged out.
    is_spent: bool,
}

impl Place {
    /// Reads the position of a token that was minted with this key. The token's id must be derived from the position.
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
            && token.id().jwt_id().is_some_and(|id| id == place.ids(key).access_token);
        is_own.then_some(place)
    }

    /// The first position after a session of the vendor. Two logouts in the same second start the same chain.
    pub fn first(ended: &VerifiedToken, access_ends: Timestamp, refresh_ends: Timestamp, key: &SigningKey) -> Self {
        let (access_ends, refresh_ends) = (seconds(access_ends), seconds(refresh_ends));
        let (kind, id) = match ended.session() {
            Some(session) => ("session", session),
            None => ("token", ended.id().as_str()),
        };
        let subject = ended.subject().unwrap_or_default();
        let [chain, ..] = derive(key, &["chain", &access_ends.to_string(), subject, kind, id]);
        let chain = encode(&chain);
        Self { chain, number: 1, access_ends, refresh_ends, is_spent: false }
    }

    /// The next position. After the last one, the last one is repeated with an expired access token, so that the client
    /// uses the refresh token.
    pub fn next(self) -> Self {
        let is_spent = self.number >= MAX_SESSIONS;
        Self { number: self.number.saturating_add(1).min(MAX_SESSIONS), is_spent, ..self }
    }

    /// `exp` of the access token if it is minted at `now`.
    pub fn access_ends(&self, now: Timestamp) -> i64 {
        if self.is_spent { self.access_ends.min(seconds(now)) } else { self.access_ends }
    }

    /// `exp` of the refresh token.
    pub const fn refresh_ends(&self) -> i64 {
        self.refresh_ends
    }

    /// The ids of this session: 128 bits each, unpredictable without the key.
    pub fn ids(&self, key: &SigningKey) -> Ids {
        // One base 36 character, which is enough for the length of a chain.
        let number = u32::try_from(self.number).ok().and_then(|number| char::from_digit(number, 36)).unwrap_or('-');
        let derived = derive(key, &["session", number.encode_utf8(&mut [0; 4]), &self.chain]);
        let [session, visitor, access_token, refresh_token] = derived;
        Ids {
            session: encode(&session),
            access_token: encode(&access_token),
            refresh_token: encode(&refresh_token),
            visitor,
        }
    }

    /// The value of [`CLAIM`] as JSON.
    pub fn claim(&self) -> String {
        Object::new()
            .text("chain", &self.chain)
            .raw("number", &self.number.to_string())
            .number("refresh_exp", self.refresh_ends)
            .finish()
    }
}

/// The ids of an anonymous session.
pub(super) struct Ids {
    /// The session id, in base64url.
    pub session: String,
    /// The id of the access token, in base64url.
    pub access_token: String,
    /// The id of the refresh token, in base64url.
    pub refresh_token: String,
    visitor: [u8; 16],
}

impl Ids {
    /// The user id: a ULID.
    pub fn visitor(&self, now: Timestamp) -> String {
        Ulid::from_parts(u64::try_from(now.as_millis()).unwrap_or(0), u128::from_le_bytes(self.visitor)).to_string()
    }
}

/// Derives four times 128 bits: HMAC-SHA-512 with a key that is derived for this purpose.
fn derive(key: &SigningKey, parts: &[&str]) -> [[u8; 16]; 4] {
    let secret = Sha256::new().chain_update("edge-logout anonymous sessions\n").chain_update(key.secret()).finalize();
    let signature = Hs512.sign(&Hs512Key::new(secret), parts.join("\n").as_bytes());
    let bytes = signature.as_bytes();
    let (chunks, _) = bytes.as_chunks();
    chunks.first_chunk().copied().unwrap_or_default()
}

fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

const fn seconds(time: Timestamp) -> i64 {
    time.as_millis().div_euclid(1000)
}
