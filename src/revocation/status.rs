//! What is known of a token, and how fresh that is.

use super::freshness::Freshness;
use super::record::Scope;

/// Whether a token is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Nothing revokes it.
    Active,
    /// A revocation of this scope ends it.
    Revoked(Scope),
}

/// What is known of a token, and how fresh that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// What is known of it.
    pub status: Status,
    /// The promise that was kept.
    pub freshness: Freshness,
}
