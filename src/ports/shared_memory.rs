//! What isolates of one location share.

/// What isolates of one location share: the Cache API. It may forget and it may fail; nothing depends on it.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait SharedMemory {
    /// What is shared under a name.
    async fn recall(&self, name: &str) -> Option<Vec<u8>>;

    /// Shares bytes for some seconds.
    async fn share(&self, name: &str, bytes: &[u8], seconds: u32);
}
