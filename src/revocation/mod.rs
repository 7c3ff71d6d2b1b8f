//! Revocations: what a logout records, for how long, where it is stored, and how a check finds it.

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

pub use authority::{Authority, AuthorityError};
pub use freshness::{DEFAULT_BOUND, Freshness};
pub use key::{Digest, DigestKey, DigestRules, Prefix};
pub use kv::{StoredRevocation, write};
pub use matching::{MatchKey, Matchable, RevocableToken, RevocationRules, cut_off, logout_of};
pub use receipt::Effective;
pub use record::{Limits, Logout, Revocation, Scope, TokenEntry, shard_of};
pub use replica::Replica;
pub use status::{CheckedStatus, Status};
