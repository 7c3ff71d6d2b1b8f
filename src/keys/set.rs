//! Validates a published JWK Set (RFC 7517 section 5). An invalid key does not affect the others.

use serde_json::Value;

use crate::json;
use crate::token::{Algorithm, Jwk, JwkProblem, VerificationKey};

/// The maximum size of a JWK Set or discovery document, in bytes.
pub const MAX_SET_BYTES: usize = 64 * 1024;
/// The maximum number of keys in a set.
pub const MAX_KEYS: usize = 64;
/// The maximum length of a `kid` in the log.
const MAX_LOGGED_KEY_ID_BYTES: usize = 64;

/// The result of validating a set.
#[derive(Debug, Default)]
pub struct Judged {
    /// The valid keys.
    pub keys: Vec<VerificationKey>,
    /// The rejected keys.
    pub refused: Vec<RefusedKey>,
}

/// A rejected key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedKey {
    /// The `kid`, if it can be logged.
    pub key_id: Option<String>,
    /// The reason, as one word.
    pub reason: &'static str,
}

/// Validates the keys of a set.
///
/// # Errors
/// The reason, as one word, if the text is not a JWK Set or has no valid key.
pub fn judge_set(text: &str, algorithms: &[Algorithm], allows_development: bool) -> Result<Judged, &'static str> {
    if text.len() > MAX_SET_BYTES {
        return Err("too_large");
    }
    let mut members = json::read_object(text).ok_or("unreadable")?;
    let Some(Value::Array(keys)) = members.remove("keys") else { return Err("unreadable") };
    if keys.len() > MAX_KEYS {
        return Err("too_many_keys");
    }
    let mut judged = Judged::default();
    for value in keys {
        let key_id = value.get("kid").and_then(Value::as_str).filter(|kid| is_harmless(kid)).map(str::to_owned);
        match judge_key(value, algorithms, allows_development) {
            Ok(key) if is_twice(&judged.keys, &key) => {
                judged.refused.push(RefusedKey { key_id, reason: "same_kid" });
            }
            Ok(key) => judged.keys.push(key),
            Err(reason) => judged.refused.push(RefusedKey { key_id, reason }),
        }
    }
    Ok(judged)
}

fn judge_key(
    value: Value,
    algorithms: &[Algorithm],
    allows_development: bool,
) -> Result<VerificationKey, &'static str> {
    let jwk = Jwk::read(value).ok_or("no_jwk")?;
    if jwk.is_for_development() && !allows_development {
        return Err(JwkProblem::Development.reason());
    }
    jwk.verification_key(algorithms, false).map_err(|problem| problem.reason())
}

/// Keys of different types may have the same `kid` (RFC 7517 section 4.5), but not keys of one algorithm.
fn is_twice(keys: &[VerificationKey], key: &VerificationKey) -> bool {
    key.key_id().is_some() && keys.iter().any(|own| own.key_id() == key.key_id() && own.algorithm() == key.algorithm())
}

fn is_harmless(key_id: &str) -> bool {
    (1..=MAX_LOGGED_KEY_ID_BYTES).contains(&key_id.len())
        && key_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}
