//! Workers KV as the index of revocations and as a user directory.

use js_sys::{Array, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use worker::Env;

use super::glue;
use crate::config::REVOCATIONS;
use crate::ports::{IndexError, Unavailable};
use crate::revocation::{Entry, KvLifetime};

/// The values of some keys, in one round trip.
pub(super) async fn find(env: &Env, keys: &[String]) -> Result<Vec<Option<String>>, IndexError> {
    let asked = keys.iter().map(JsValue::from).collect::<Array>();
    let found = glue::kv_find(env, REVOCATIONS, asked).await.map_err(|error| classify(&error))?;
    let found: Array = found.unchecked_into();
    let mut values = Vec::with_capacity(keys.len());
    for value in found.iter() {
        // A key that was asked for and is not answered is not a miss: nothing is known about it.
        let is_answered = value.is_null() || value.is_string();
        values.push(if is_answered { value.as_string() } else { return Err(IndexError::Permanent) });
    }
    Ok(values)
}

/// Writes an entry.
pub(super) async fn put(env: &Env, entry: &Entry) -> Result<(), IndexError> {
    let (until, seconds) = match entry.lifetime {
        KvLifetime::Until(second) => (Some(second), None),
        KvLifetime::Seconds(seconds) => (None, Some(seconds)),
    };
    let put = glue::kv_put(env, REVOCATIONS, &entry.key, &entry.value, until, seconds).await;
    put.map(|_| ()).map_err(|error| classify(&error))
}

/// One value.
pub(super) async fn get(env: &Env, binding: &str, key: &str) -> Result<Option<String>, Unavailable> {
    Ok(glue::kv_get(env, binding, key).await.map_err(|_| Unavailable)?.as_string())
}

/// The runtime has one message for every failed operation: `KV PUT failed: 429 Too Many Requests`; a dropped connection
/// is `Network connection lost.`
fn classify(error: &JsValue) -> IndexError {
    let message = Reflect::get(error, &"message".into()).ok().and_then(|message| message.as_string());
    let message = message.unwrap_or_default();
    let status = message.split_once(" failed: ").and_then(|(_, rest)| rest.split(' ').next()?.parse::<u16>().ok());
    match status {
        Some(429) => IndexError::RateLimited,
        Some(500..=599) => IndexError::Transient,
        None if message.contains("connection") || message.contains("internal error") => IndexError::Transient,
        _ => IndexError::Permanent,
    }
}
