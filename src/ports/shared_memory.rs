//! The cache that the isolates of a location share.

/// The Cache API, which the isolates of a location share. It is an optimization: entries may disappear, calls may fail.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait SharedMemory {
    /// Reads an entry.
    async fn recall(&self, name: &str) -> Option<Vec<u8>>;

    /// Writes an entry with a lifetime in seconds.
    async fn share(&self, name: &str, bytes: &[u8], seconds: u32);
}
