//! Revocations: what is written when a session ends, for how long, and how a revoked token is known.

mod check;
mod plan;
mod record;
mod write;

pub use check::{Status, status};
pub use plan::{Ended, RevocationRules, revocations_for, revocations_matching};
pub use record::{Entry, KvLifetime, Revocation, Scope};
pub use write::write;
