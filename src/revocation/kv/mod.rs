//! Revocations in Workers KV: what `eventual` checks read, and what a Worker without a ledger writes.

mod entry;
mod write;

pub use entry::{KvEntry, KvLifetime, StoredRevocation};
pub use write::write;
