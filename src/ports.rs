//! What the core asks of the platform. `edge` answers with Cloudflare's; tests answer natively.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{Either, LocalBoxFuture, select};

use crate::revocation::KvEntry;
use crate::time::Timestamp;
use crate::token::{PrivateKey, PublicKey, Secret, SigningInput};

/// Time. Workers' own clock moves only with input and output, which is all that is needed here.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait Clock: 'static {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Waits.
    async fn sleep(duration: Duration);
}

/// What a future gives, or nothing when the limit has passed first.
pub async fn within<P: Clock, T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    match select(pin!(future), pin!(P::sleep(limit))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

/// What several futures give, in their order, all waited for at the same time.
///
/// Whenever one of them wakes, all that are not done are polled. That is little for the few calls that a request makes
/// at once, and spares the queue of `futures_util`'s `join_all`, 5 KB of wasm for every kind of future.
pub async fn all<T>(mut futures: Vec<LocalBoxFuture<'_, T>>) -> Vec<T> {
    let mut outputs: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, output) in futures.iter_mut().zip(&mut outputs).filter(|(_, output)| output.is_none()) {
            if let Poll::Ready(done) = future.as_mut().poll(context) {
                *output = Some(done);
            }
        }
        if outputs.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

/// The first of several futures to end, which is taken out of the list. The list is not empty.
pub async fn first<T>(futures: &mut Vec<LocalBoxFuture<'_, T>>) -> T {
    poll_fn(|context| {
        for place in 0..futures.len() {
            let Some(future) = futures.get_mut(place) else { break };
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                drop(futures.swap_remove(place));
                return Poll::Ready(output);
            }
        }
        Poll::Pending
    })
    .await
}

/// Why the index of revocations did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexError {
    /// Too many writes to one key (Workers KV allows one a second): HTTP 429.
    RateLimited,
    /// A fault that may be gone at the next try: 5xx, a lost connection.
    Transient,
    /// A fault that trying again does not mend: any other refusal.
    Permanent,
    /// No answer within the time that a request may wait for it.
    TimedOut,
}

impl IndexError {
    /// The word that the log has for it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::RateLimited => "index_rate_limited",
            Self::Transient => "index_transient",
            Self::Permanent => "index_refused",
            Self::TimedOut => "index_timed_out",
        }
    }
}

/// The index of live revocations: Workers KV.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait Index {
    /// The values of up to 100 keys, in the order of the keys, in one round trip.
    async fn find(&self, keys: &[String]) -> Result<Vec<Option<String>>, IndexError>;

    /// Writes an entry, durably once this returns.
    async fn put(&self, entry: &KvEntry) -> Result<(), IndexError>;

    /// The filter of a segment, by its key; `None` when it is not there, or not there yet.
    async fn segment(&self, key: &str) -> Result<Option<Vec<u8>>, IndexError>;
}

/// Why the ledger did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LedgerError {
    /// Nothing is bound as the ledger.
    Absent,
    /// A fault that may be gone at the next try, with a new stub.
    Retryable,
    /// It has too much to do: trying again makes it worse.
    Overloaded,
    /// Any other refusal, or an answer that cannot be read.
    Failed,
    /// No answer within the time that a request may wait for it.
    TimedOut,
    /// Its storage is full: it takes no more logouts.
    Full,
}

impl LedgerError {
    /// The word that the log has for it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Absent => "ledger_absent",
            Self::Retryable => "ledger_unreachable",
            Self::Overloaded => "ledger_overloaded",
            Self::Failed => "ledger_failed",
            Self::TimedOut => "ledger_timed_out",
            Self::Full => "ledger_full",
        }
    }
}

/// The ledger: the durable, ordered authority on revocations, in shards.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait LedgerShards {
    /// The answer of a shard to a call; see [`crate::revocation::ledger::Call`] and [`crate::revocation::ledger::Answer`].
    ///
    /// # Errors
    /// [`LedgerError::TimedOut`] when there is none within `limit`.
    async fn ask(&self, shard: u32, call: &[u8], limit: Duration) -> Result<Vec<u8>, LedgerError>;
}

/// What isolates of one location share: the Cache API. It may forget and it may fail; nothing depends on it.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait SharedMemory {
    /// What is shared under a name.
    async fn recall(&self, name: &str) -> Option<Vec<u8>>;

    /// Shares bytes for some seconds.
    async fn share(&self, name: &str, bytes: &[u8], seconds: u32);
}

/// Something outside did not answer as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

/// Asymmetric signatures. HMAC needs no port: the core computes it itself, faster than a call out.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait Signatures {
    /// Whether `signature` over `input` verifies under `key` and its algorithm.
    /// An error means that it could not be told, never that the signature is bad.
    async fn verify(&self, key: &PublicKey, input: SigningInput<'_>, signature: &[u8]) -> Result<bool, Unavailable>;

    /// Forgets what was kept of the key of a slot, which nothing will be verified with any more.
    fn forget(&self, _slot: u32) {}

    /// The signature of `key` over `input`, as JWS has it (RFC 7518 section 3: ECDSA as `r || s`).
    async fn sign(&self, key: &PrivateKey, input: SigningInput<'_>) -> Result<Vec<u8>, Unavailable>;
}

/// What a server has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// `Cache-Control`, where it is there.
    pub cache_control: Option<String>,
    /// `Age`, where it is there.
    pub age: Option<String>,
}

/// Why a server has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebError {
    /// It could not be reached, or broke off.
    Unreachable,
    /// Its answer, with this status, is larger than the limit.
    TooLarge(u16),
}

impl WebError {
    /// The word that the log has for it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::TooLarge(_) => "too_large",
        }
    }
}

/// Servers elsewhere.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait Web {
    /// What a server answers to a `GET`, with at most `limit` bytes of a body. No redirect is followed, no cache asked,
    /// and a request that is dropped is broken off.
    async fn get(&self, url: &str, limit: usize) -> Result<Fetched, WebError>;
}

/// What is said of an issuer's published keys, outside of any request's own log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyEvent<'a> {
    /// `key_refused` or `keys_fetch_failed`.
    pub event: &'static str,
    /// The issuer's name in the configuration.
    pub issuer: &'a str,
    /// Why, in one word.
    pub reason: &'static str,
    /// The `kid` of the key, where it can be logged.
    pub key_id: Option<&'a str>,
    /// The requested URL, without its query, which may hold a secret.
    pub url: Option<&'a str>,
    /// The status of its answer, if any.
    pub status: Option<u16>,
}

/// The log.
pub trait Journal {
    /// Notes what has happened to an issuer's keys.
    fn note(&self, event: &KeyEvent<'_>);
}

/// User directories: who a subject is, where the shop keeps such a list.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait Directory {
    /// The JSON text that the directory bound as `binding` has for a subject, `None` when it has none.
    async fn look_up(&self, binding: &str, subject: &str) -> Result<Option<String>, Unavailable>;
}

/// A vendor's own store of sessions, in which a session that has ended must not be left: Redis.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait SessionStore {
    /// Deletes a key of the store at this URL. A key that is not there counts as deleted.
    async fn delete(&self, url: &Secret, key: &str) -> Result<(), Unavailable>;
}

/// What is bound to the Worker.
pub trait Bindings {
    /// Whether there is a binding of this name.
    fn is_bound(&self, name: &str) -> bool;
}

/// The rate limiting binding: the platform counts look-ups by address, for 10 or 60 seconds.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait RateLimits {
    /// Counts one more look-up; whether it is within the limit. True without a binding, and when the binding fails.
    async fn is_within_limit(&self, address: &str) -> bool;
}

/// All that the service needs.
pub trait Platform:
    Bindings
    + Clock
    + Directory
    + Index
    + Journal
    + LedgerShards
    + RateLimits
    + SessionStore
    + SharedMemory
    + Signatures
    + Web
{
}

impl<T> Platform for T where
    T: Bindings
        + Clock
        + Directory
        + Index
        + Journal
        + LedgerShards
        + RateLimits
        + SessionStore
        + SharedMemory
        + Signatures
        + Web
{
}
