//! The ports of the core, answered by Cloudflare.

use std::cell::OnceCell;
use std::time::Duration;

use js_sys::Reflect;
use worker::kv::KvStore;
use worker::{Delay, Env};

use super::{kv, ledger, redis, shared, webcrypto};
use crate::config::REVOCATIONS;
use crate::ports::{
    Bindings, Clock, Directory, Index, IndexError, LedgerError, LedgerShards, SessionStore, SharedMemory, Signatures,
    Unavailable,
};
use crate::revocation::Entry;
use crate::time::Timestamp;
use crate::token::{PrivateKey, PublicKey, Secret, SigningInput};

/// The platform of one request: bindings are its own and may not be kept for the next.
pub(super) struct EdgePlatform {
    env: Env,
    /// Looked up when it is needed: a check from memory does not.
    revocations: OnceCell<Option<KvStore>>,
}

impl EdgePlatform {
    pub(super) fn new(env: &Env) -> Self {
        Self { env: env.clone(), revocations: OnceCell::new() }
    }

    /// Another deployment of the same zone has another ledger: what they share must not meet.
    fn shared_url(&self, name: &str) -> Option<String> {
        Some(format!("https://{}.ledger.invalid/{name}", ledger::id(&self.env)?))
    }

    fn revocations(&self) -> Result<&KvStore, IndexError> {
        let bound = self.revocations.get_or_init(|| self.env.kv(REVOCATIONS).ok());
        bound.as_ref().ok_or(IndexError::Permanent)
    }
}

impl Bindings for EdgePlatform {
    fn is_bound(&self, name: &str) -> bool {
        // A variable may be an object as well; a KV namespace and the ledger can be read, a service fetched from.
        let Ok(binding) = Reflect::get(self.env.as_ref(), &name.into()) else { return false };
        ["get", "fetch"]
            .iter()
            .any(|method| Reflect::get(&binding, &(*method).into()).is_ok_and(|own| own.is_function()))
    }
}

/// The runtime's clock.
pub(super) struct EdgeClock;

#[expect(clippy::cast_possible_truncation, reason = "milliseconds of any real date are whole and fit")]
pub(super) fn now() -> Timestamp {
    Timestamp::from_millis(js_sys::Date::now() as i64)
}

impl Clock for EdgeClock {
    fn now(&self) -> Timestamp {
        now()
    }

    async fn sleep(duration: Duration) {
        Delay::from(duration).await;
    }
}

impl Clock for EdgePlatform {
    fn now(&self) -> Timestamp {
        now()
    }

    async fn sleep(duration: Duration) {
        Delay::from(duration).await;
    }
}

impl Index for EdgePlatform {
    async fn find(&self, keys: &[String]) -> Result<Vec<Option<String>>, IndexError> {
        kv::find(self.revocations()?, keys).await
    }

    async fn put(&self, entry: &Entry) -> Result<(), IndexError> {
        kv::put(self.revocations()?, entry).await
    }
}

impl LedgerShards for EdgePlatform {
    async fn ask(&self, shard: u32, question: &str) -> Result<String, LedgerError> {
        ledger::ask(&self.env, shard, question).await
    }
}

impl SharedMemory for EdgePlatform {
    async fn recall(&self, name: &str) -> Option<String> {
        shared::recall(&self.shared_url(name)?).await
    }

    async fn share(&self, name: &str, text: &str, seconds: u32) {
        if let Some(url) = self.shared_url(name) {
            // Who shares nothing costs the others a call of their own.
            let _ = shared::share(&url, text, seconds).await;
        }
    }
}

impl Directory for EdgePlatform {
    async fn look_up(&self, binding: &str, subject: &str) -> Result<Option<String>, Unavailable> {
        let store = self.env.kv(binding).map_err(|_| Unavailable)?;
        kv::get(&store, subject).await
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

    async fn sign(&self, key: &PrivateKey, input: SigningInput<'_>) -> Result<Vec<u8>, Unavailable> {
        webcrypto::sign(key, input).await.map_err(|_| Unavailable)
    }
}
