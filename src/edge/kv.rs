//! Workers KV: revocations, segments and user directories.

use js_sys::{Array, ArrayBuffer, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use worker::Env;

use super::glue;
use crate::config::REVOCATIONS;
use crate::json::{self, Object};
use crate::ports::{IndexError, Unavailable};
use crate::ports::{KvEntry, KvLifetime};
use crate::revocation::ledger::{KvListEntry, KvListPage, Publication};
use crate::revocation::{Digest, StoredRevocation};
use crate::time::Timestamp;

/// The message of `kv-writer.js` for a write that timed out.
const LATE: &str = "late";

/// Reads the values of several keys with one bulk read.
pub(super) async fn find(env: &Env, keys: &[String]) -> Result<Vec<Option<String>>, IndexError> {
    let asked = keys.iter().map(JsValue::from).collect::<Array>();
    let found = glue::kv_find(env, REVOCATIONS, asked).await.map_err(|error| classify(&message(&error)))?;
    let found: Array = found.unchecked_into();
    let mut values = Vec::with_capacity(keys.len());
    for value in found.iter() {
        // A key without an answer is not a miss: its value is unknown.
        let is_answered = value.is_null() || value.is_string();
        values.push(if is_answered { value.as_string() } else { return Err(IndexError::Permanent) });
    }
    Ok(values)
}

/// Writes an entry.
pub(super) async fn put(env: &Env, entry: &KvEntry) -> Result<(), IndexError> {
    let (until, seconds) = numbers(entry.lifetime);
    let put = glue::kv_put(env, REVOCATIONS, &entry.key, &entry.value, until, seconds).await;
    put.map(|_| ()).map_err(|error| classify(&message(&error)))
}

const fn numbers(lifetime: KvLifetime) -> (Option<u32>, Option<u32>) {
    match lifetime {
        KvLifetime::Until(second) => (Some(second), None),
        KvLifetime::Seconds(seconds) => (None, Some(seconds)),
    }
}

/// Writes a batch through `writer`, whose invocation has connections of its own.
pub(super) async fn write(writer: &JsValue, entries: Vec<KvEntry>) -> Vec<Result<(), IndexError>> {
    let of_entry = |entry: &KvEntry| {
        let (until, seconds) = numbers(entry.lifetime);
        let text = Object::new().text("key", &entry.key).text("value", &entry.value);
        let text = text.number_or_null("expiration", until.map(i64::from));
        text.number_or_null("expirationTtl", seconds.map(i64::from)).finish()
    };
    let mut asked = json::Array::new();
    for entry in &entries {
        asked.raw(&of_entry(entry));
    }
    let written = glue::kv_write(writer, REVOCATIONS, &asked.finish()).await;
    let written: Option<Array> = written.ok().and_then(|written| written.dyn_into().ok());
    let result = |place: u32| match written.as_ref().map(|written| written.get(place).as_string()) {
        // Unknown: the write may have succeeded.
        None => Err(IndexError::TimedOut),
        Some(None) => Ok(()),
        Some(Some(message)) => Err(classify(&message)),
    };
    (0..).zip(&entries).map(|(place, _)| result(place)).collect()
}

/// Writes the filter of a segment.
pub(super) async fn publish(env: &Env, publication: &Publication) -> Result<(), IndexError> {
    let (until, seconds) = numbers(KvLifetime::until(publication.expires_at, super::clock::now()));
    let key = publication.name.key();
    let put = glue::kv_put_bytes(env, REVOCATIONS, &key, &publication.filter, until, seconds).await;
    put.map(|_| ()).map_err(|error| classify(&message(&error)))
}

/// Reads the filter of a segment.
pub(super) async fn segment(env: &Env, key: &str) -> Result<Option<Vec<u8>>, IndexError> {
    let found = glue::kv_get_bytes(env, REVOCATIONS, key).await.map_err(|error| classify(&message(&error)))?;
    Ok(found.dyn_ref::<ArrayBuffer>().map(|buffer| Uint8Array::new(buffer).to_vec()))
}

/// Lists one page of the revocations.
pub(super) async fn list(env: &Env, cursor: Option<&str>) -> Result<KvListPage, IndexError> {
    let prefix = Digest::key_prefix();
    let listed = glue::kv_list(env, REVOCATIONS, &prefix, cursor).await;
    let listed = listed.map_err(|error| classify(&message(&error)))?.as_string().ok_or(IndexError::Permanent)?;
    let mut listed = json::read_object(&listed).ok_or(IndexError::Permanent)?;
    let Some(serde_json::Value::Array(rows)) = listed.remove("entries") else { return Err(IndexError::Permanent) };
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let key = row.get("key").and_then(|key| key.as_str()).ok_or(IndexError::Permanent)?;
        let value = row.get("value").and_then(|value| value.as_str());
        let expires_at = row.get("expiration").and_then(serde_json::Value::as_i64).map(Timestamp::from_seconds);
        let stored = value.and_then(StoredRevocation::parse);
        entries.push(KvListEntry { key: key.to_owned(), stored, expires_at });
    }
    Ok(KvListPage { entries, cursor: json::take_text(&mut listed, "cursor") })
}

/// Reads one value.
pub(super) async fn get(env: &Env, binding: &str, key: &str) -> Result<Option<String>, Unavailable> {
    Ok(glue::kv_get(env, binding, key).await.map_err(|_| Unavailable)?.as_string())
}

/// Classifies an error by its message, such as `KV PUT failed: 429 Too Many Requests` or `Network connection lost.`
fn classify(message: &str) -> IndexError {
    let status = message.split_once(" failed: ").and_then(|(_, rest)| rest.split(' ').next()?.parse::<u16>().ok());
    match status {
        Some(429) => IndexError::RateLimited,
        Some(500..=599) => IndexError::Transient,
        None if message == LATE => IndexError::TimedOut,
        None if message.contains("connection") || message.contains("internal error") => IndexError::Transient,
        _ => IndexError::Permanent,
    }
}

fn message(error: &JsValue) -> String {
    let message = Reflect::get(error, &"message".into()).ok().and_then(|message| message.as_string());
    message.unwrap_or_default()
}
