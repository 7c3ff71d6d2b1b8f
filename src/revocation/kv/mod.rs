//! Revocations in Workers KV. `eventual` checks read them, and a Worker without a ledger stores them only there.

mod entry;
mod write;

pub use entry::StoredRevocation;
pub use write::write;
