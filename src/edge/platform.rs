//! The ports of the core, answered by Cloudflare.

use std::cell::Cell;
use std::time::Duration;

use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::JsCast;
use worker::Env;

use super::pause::Awaited;
use super::{glue, kv, ledger, redis, webcrypto};
use crate::ports::{
    Bindings, Clock, Directory, Index, IndexError, LedgerError, LedgerShards, RateLimits, SessionStore, SharedMemory,
    Signatures, Unavailable,
};
use crate::revocation::KvEntry;
use crate::time::Timestamp;
use crate::token::{PrivateKey, PublicKey, Secret, SigningInput};

/// The platform of one request: bindings are its own and may not be kept for the next.
pub(super) struct EdgePlatform {
    pub(super) env: Env,
}

impl EdgePlatform {
    /// Another deployment of the same zone has another ledger: what they share must not meet.
    fn shared_url(&self, name: &str) -> String {
        let id = ledger::id(&self.env);
        ["https://", id.as_deref().unwrap_or("no"), ".ledger.invalid/", name].concat()
    }
}

impl Bindings for EdgePlatform {
    fn is_bound(&self, name: &str) -> bool {
        // A variable may be an object as well; a KV namespace and the ledger can be read, a service fetched from.
        ["get", "fetch"].into_iter().any(|method| glue::has_method(&self.env, name, method))
    }
}

/// The runtime's clock.
pub(super) struct EdgeClock;

/// The time as a poll that is under way knows it.
#[derive(Clone, Copy)]
enum Time {
    /// No such poll is under way.
    Moving,
    /// It has not asked yet.
    Unasked,
    Known(Timestamp),
}

thread_local! {
    static TIME: Cell<Time> = const { Cell::new(Time::Moving) };
}

/// The runtime's clock stands still while nothing is waited for: within one poll it is asked once.
pub(super) fn with_one_time<T>(poll: impl FnOnce() -> T) -> T {
    let before = TIME.replace(Time::Unasked);
    let given = poll();
    TIME.set(before);
    given
}

#[expect(clippy::cast_possible_truncation, reason = "milliseconds of any real date are whole and fit")]
pub(super) fn now() -> Timestamp {
    let asked = || Timestamp::from_millis(js_sys::Date::now() as i64);
    match TIME.get() {
        Time::Known(now) => now,
        Time::Moving => asked(),
        Time::Unasked => {
            let now = asked();
            TIME.set(Time::Known(now));
            now
        }
    }
}

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

/// A pause whose timer is given up together with whoever waits for it.
struct Sleep(glue::Pause);

impl Drop for Sleep {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A duration as the runtime takes it.
pub(super) const fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

async fn sleep(duration: Duration) {
    let pause = Sleep(glue::Pause::new(milliseconds(duration)));
    // Nothing rejects it.
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
        // Best effort: if this fails, other isolates ask for themselves.
        let _ = glue::share(&self.shared_url(name), bytes, seconds).await;
    }
}

impl RateLimits for EdgePlatform {
    async fn is_within_limit(&self, address: &str) -> bool {
        // A limiter that fails must not take the service down with it.
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
