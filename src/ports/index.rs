//! Workers KV, which has an entry per revocation.

/// The lifetime of a KV entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvLifetime {
    /// An absolute `expiration`, in seconds of Unix time.
    Until(u32),
    /// A relative `expirationTtl`, in seconds.
    Seconds(u32),
}

/// A Workers KV entry to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvEntry {
    /// The key. Below KV's limit of 512 bytes.
    pub key: String,
    /// The JSON value, which is also the metadata. Below KV's limit of 1,024 bytes of metadata.
    pub value: String,
    /// The lifetime.
    pub lifetime: KvLifetime,
}

/// Why a Workers KV operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexError {
    /// HTTP 429: too many writes to a key. Workers KV allows one per second.
    RateLimited,
    /// HTTP 5xx or a lost connection. A retry may succeed.
    Transient,
    /// Any other error. A retry does not help.
    Permanent,
    /// No answer within the time limit.
    TimedOut,
}

impl IndexError {
    /// The reason in the log.
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

/// The KV namespace of revocations and segments.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait Index {
    /// Reads up to 100 keys with one bulk read. Returns the values in the order of the keys.
    async fn find(&self, keys: &[String]) -> Result<Vec<Option<String>>, IndexError>;

    /// Writes an entry. It is durable when this returns.
    async fn put(&self, entry: &KvEntry) -> Result<(), IndexError>;

    /// Reads the filter of a segment; `None` if the key is missing or not visible yet.
    async fn segment(&self, key: &str) -> Result<Option<Vec<u8>>, IndexError>;
}
