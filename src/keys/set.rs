//! A published JWK Set (RFC 7517 section 5): its keys are judged one by one, so that one spoils no other.

use serde_json::Value;

use crate::json;
use crate::token::{Algorithm, Jwk, JwkProblem, VerificationKey};

/// The largest set, or discovery document, that is read, in bytes.
pub const MAX_SET_BYTES: usize = 64 * 1024;
/// How many keys a set may have.
pub const MAX_KEYS: usize = 64;
/// A longer `kid` is not repeated in the log.
const MAX_LOGGED_KEY_ID_BYTES: usize = 64;

/// What has become of a set.
#[derive(Debug, Default)]
pub struct Judged {
    /// The keys that are good.
    pub keys: Vec<VerificationKey>,
    /// The others.
    pub refused: Vec<RefusedKey>,
}

/// A key that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedKey {
    /// Its `kid`, when it is one that can be logged.
    pub key_id: Option<String>,
    /// Why, in one word.
    pub reason: &'static str,
}

/// Judges a set's keys.
///
/// # Errors
/// Why it is no set, in one word.
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

/// One name may stand for keys of several kinds (RFC 7517 section 4.5), but not for two of one algorithm.
fn is_twice(keys: &[VerificationKey], key: &VerificationKey) -> bool {
    key.key_id().is_some() && keys.iter().any(|own| own.key_id() == key.key_id() && own.algorithm() == key.algorithm())
}

fn is_harmless(key_id: &str) -> bool {
    (1..=MAX_LOGGED_KEY_ID_BYTES).contains(&key_id.len())
        && key_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}
