//! Revocations: what is recorded when a session ends, for how long, and how a revoked token is known.

mod authority;
mod freshness;
mod key;
mod kv;
pub mod ledger;
mod matching;
mod receipt;
mod record;
mod replica;
mod retry;
mod status;
#[doc(hidden)]
pub mod steps;

pub use authority::{Authority, Doubt};
pub use freshness::{DEFAULT_BOUND, Freshness};
pub use key::{Digest, DigestKey, DigestRules, Prefix};
pub use kv::{StoredRevocation, write};
pub use matching::{Ended, MatchKey, Matchable, RevocationRules, cut_off, logout_of};
pub use receipt::Effective;
pub use record::{Limits, Logout, Revocation, Scope, TokenEntry, shard_of};
pub use replica::Replica;
pub use status::{Known, Status};
