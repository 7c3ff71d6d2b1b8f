//! The ports of the core, answered by Cloudflare.

use std::time::Duration;

use js_sys::Reflect;
use worker::kv::KvStore;
use worker::{Delay, Env};

use super::{kv, redis, webcrypto};
use crate::config::REVOCATIONS;
use crate::ports::{Bindings, Clock, Directory, Index, IndexError, SessionStore, Signatures, Unavailable};
use crate::revocation::Entry;
use crate::time::Timestamp;
use crate::token::{PrivateKey, PublicKey, Secret, SigningInput};

/// The platform of one request: bindings are its own and may not be kept for the next.
pub(super) struct EdgePlatform {
    env: Env,
    revocations: Option<KvStore>,
}

impl EdgePlatform {
    pub(super) fn new(env: &Env) -> Self {
        Self { env: env.clone(), revocations: env.kv(REVOCATIONS).ok() }
    }

    fn revocations(&self) -> Result<&KvStore, IndexError> {
        self.revocations.as_ref().ok_or(IndexError::Permanent)
    }
}

impl Bindings for EdgePlatform {
    fn is_bound(&self, name: &str) -> bool {
        // A variable may be an object as well; a KV namespace can be read.
        let binding = Reflect::get(self.env.as_ref(), &name.into());
        binding.and_then(|binding| Reflect::get(&binding, &"get".into())).is_ok_and(|get| get.is_function())
    }
}

impl Clock for EdgePlatform {
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds of any real date are whole and fit")]
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(js_sys::Date::now() as i64)
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
