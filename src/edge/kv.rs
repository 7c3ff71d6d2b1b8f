//! Workers KV as the index of revocations and as a user directory.

use worker::kv::{KvError, KvStore};

use crate::ports::{IndexError, Unavailable};
use crate::revocation::{Entry, KvLifetime};

/// How long a location may keep what it has read, in seconds: the least that KV allows, since a cached miss hides a new
/// revocation for as long.
const CACHE_TTL_SECONDS: u64 = 30;

/// The values of some keys, in one round trip.
pub(super) async fn find(store: &KvStore, keys: &[String]) -> Result<Vec<Option<String>>, IndexError> {
    let mut values =
        store.get_bulk(keys).cache_ttl(CACHE_TTL_SECONDS).text().await.map_err(|error| classify(&error))?;
    // A key that was asked for and is not answered is not a miss: nothing is known about it.
    keys.iter().map(|key| values.remove(key).ok_or(IndexError::Permanent)).collect()
}

/// Writes an entry.
pub(super) async fn put(store: &KvStore, entry: &Entry) -> Result<(), IndexError> {
    let metadata: serde_json::Value = serde_json::from_str(&entry.value).map_err(|_| IndexError::Permanent)?;
    // As text: the crate would store a map as `{}`.
    let put = store.put(&entry.key, entry.value.as_str()).and_then(|put| put.metadata(metadata));
    let put = put.map_err(|error| classify(&error))?;
    let put = match entry.lifetime {
        KvLifetime::Until(second) => put.expiration(second.into()),
        KvLifetime::Seconds(seconds) => put.expiration_ttl(seconds.into()),
    };
    put.execute().await.map_err(|error| classify(&error))
}

/// One value.
pub(super) async fn get(store: &KvStore, key: &str) -> Result<Option<String>, Unavailable> {
    store.get(key).text().await.map_err(|_| Unavailable)
}

/// The runtime has one message for every failed operation: `KV PUT failed: 429 Too Many Requests`; a dropped connection
/// is `Network connection lost.`
fn classify(error: &KvError) -> IndexError {
    let KvError::JavaScript(thrown) = error else { return IndexError::Permanent };
    let message = js_sys::Reflect::get(thrown, &"message".into()).ok().and_then(|message| message.as_string());
    let message = message.unwrap_or_default();
    let status = message.split_once(" failed: ").and_then(|(_, rest)| rest.split(' ').next()?.parse::<u16>().ok());
    match status {
        Some(429) => IndexError::RateLimited,
        Some(500..=599) => IndexError::Transient,
        None if message.contains("connection") || message.contains("internal error") => IndexError::Transient,
        _ => IndexError::Permanent,
    }
}
