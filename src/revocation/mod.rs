//! Revocations: what is written when a session ends, for how long, and how a revoked token is known.

mod check;
pub mod feed;
pub mod ledger;
mod plan;
mod record;
mod write;

pub use check::{Status, status};
pub use plan::{Ended, RevocationRules, revocations_for, revocations_matching};
pub use record::{Digest, Entry, KvLifetime, Limits, Revocation, Scope};
pub use write::write;
