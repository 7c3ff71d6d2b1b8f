//! The core's ports, implemented with Cloudflare's APIs.

use std::time::Duration;

use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::JsCast;
use worker::Env;

use super::clock::{milliseconds, now};
use super::pause::Awaited;
use super::{glue, kv, ledger, redis, webcrypto};
use crate::ports::KvEntry;
use crate::ports::{
    Bindings, Clock, Directory, Index, IndexError, LedgerError, LedgerShards, RateLimits, SessionStore, SharedMemory,
    Signatures, Unavailable,
};
use crate::time::Timestamp;
use crate::token::{PrivateKey, PublicKey, Secret, SigningInput};

/// The platform of one request. Bindings belong to a request and must not be kept for later ones.
pub(super) struct EdgePlatform {
    pub(super) env: Env,
}

impl EdgePlatform {
    /// A cache key. It contains the ledger's id, so that deployments of a zone do not share entries.
    fn shared_url(&self, name: &str) -> String {
        let id = ledger::id(&self.env);
        ["https://", id.as_deref().unwrap_or("no"), ".ledger.invalid/", name].concat()
    }
}

impl Bindings for EdgePlatform {
    fn is_bound(&self, name: &str) -> bool {
        // A variable may be an object too. KV namespaces and Durable Object namespaces have `get`, services have
        // `fetch`.
        ["get", "fetch"].into_iter().any(|method| glue::has_method(&self.env, name, method))
    }
}

/// The runtime's clock.
pub(super) struct EdgeClock;

impl Clock for EdgeClock {
    fn now(&self) -> Timestamp {
        now()
    }

    async fn sleep(duration: Duration) {
        sleep(duration).await;
    }
}

impl Clock for EdgePlatform {
    fn now(&self) -> Timestamp {
        now()
    }

    async fn sleep(duration: Duration) {
        sleep(duration).await;
    }
}

/// A timer that is cleared on drop.
struct Sleep(glue::Pause);

impl Drop for Sleep {
    fn drop(&mut self) {
        self.0.end();
    }
}

async fn sleep(duration: Duration) {
    let pause = Sleep(glue::Pause::new(milliseconds(duration)));
    // The promise of a timer is never rejected.
    let _ = Awaited::new(pause.0.over()).await;
}

impl Index for EdgePlatform {
    async fn find(&self, keys: &[String]) -> Result<Vec<Option<String>>, IndexError> {
        kv::find(&self.env, keys).await
    }

    async fn put(&self, entry: &KvEntry) -> Result<(), IndexError> {
        kv::put(&self.env, entry).await
    }

    async fn segment(&self, key: &str) -> Result<Option<Vec<u8>>, IndexError> {
        kv::segment(&self.env, key).await
    }
}

impl LedgerShards for EdgePlatform {
    async fn ask(&self, shard: u32, call: &[u8], limit: Duration) -> Result<Vec<u8>, LedgerError> {
        ledger::ask(&self.env, shard, call, limit).await
    }
}

impl SharedMemory for EdgePlatform {
    async fn recall(&self, name: &str) -> Option<Vec<u8>> {
        let found = glue::recall(&self.shared_url(name)).await.ok()?;
        found.dyn_ref::<ArrayBuffer>().map(|buffer| Uint8Array::new(buffer).to_vec())
    }

    async fn share(&self, name: &str, bytes: &[u8], seconds: u32) {
        // Best effort: if this fails, other isolates fetch for themselves.
        let _ = glue::share(&self.shared_url(name), bytes, seconds).await;
    }
}

impl RateLimits for EdgePlatform {
    async fn is_within_limit(&self, address: &str) -> bool {
        // Fails open: an outage of the rate limiter must not stop the service.
        glue::is_within_limit(&self.env, address).await.map_or(true, |within| within.is_truthy())
    }
}

impl Directory for EdgePlatform {
    async fn look_up(&self, binding: &str, subject: &str) -> Result<Option<String>, Unavailable> {
        kv::get(&self.env, binding, subject).await
    }
}

impl SessionStore for EdgePlatform {
    async fn delete(&self, url: &Secret, key: &str) -> Result<(), Unavailable> {
        redis::delete(url, key).await
    }
}

impl Signatures for EdgePlatform {
    async fn verify(&self, key: &PublicKey, input: SigningInput<'_>, signature: &[u8]) -> Result<bool, Unavailable> {
        webcrypto::verify(key, input, signature).await.map_err(|_| Unavailable)
    }

    fn forget(&self, slot: u32) {
        webcrypto::forget(slot);
    }

    async fn sign(&self, key: &PrivateKey, input: SigningInput<'_>) -> Result<Vec<u8>, Unavailable> {
        webcrypto::sign(key, input).await.map_err(|_| Unavailable)
    }
}
