//! The index of live revocations: Workers KV.

/// How long KV keeps an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvLifetime {
    /// Until this second of Unix time.
    Until(u32),
    /// For this many seconds from when it is written.
    Seconds(u32),
}

/// An entry of Workers KV.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvEntry {
    /// The key, well below KV's 512 bytes.
    pub key: String,
    /// The value, and the metadata as well: JSON below KV's 1,024 bytes of metadata.
    pub value: String,
    /// How long it stays.
    pub lifetime: KvLifetime,
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
