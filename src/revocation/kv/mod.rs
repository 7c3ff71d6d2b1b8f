//! Revocations in Workers KV: what `eventual` checks read, and what a Worker without a ledger writes.

mod entry;
mod write;

pub use entry::StoredRevocation;
pub use write::write;
