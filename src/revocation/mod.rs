//! Revocations: what is written when a session ends, for how long, and how a revoked token is known.

mod authority;
mod breaker;
mod check;
mod client;
mod digest;
mod digests;
mod endings;
mod evidence;
pub mod feed;
mod freshness;
pub mod ledger;
mod memory;
mod plan;
mod record;
mod retry;
mod rows;
mod shard;
mod stored;
mod sync;
mod untold;
mod vouching;
mod wire;
mod write;

pub use authority::{Authority, Doubt, Effective};
pub use check::{Known, Status};
pub use client::{LedgerQuestion, answer_question};
pub use digest::Digest;
pub use freshness::{DEFAULT_BOUND, Freshness};
pub use memory::Memory;
pub use plan::{Ended, MatchKey, Matchable, RevocationRules, revocations_for};
pub use record::{Entry, KvLifetime, Limits, Revocation, Scope};
pub use stored::StoredRevocation;
pub use write::write;
