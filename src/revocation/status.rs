//! The revocation status of a token.

use super::freshness::Freshness;
use super::record::Scope;

/// Whether a token is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Not revoked.
    Active,
    /// Revoked by a revocation of this scope.
    Revoked(Scope),
}

/// A token's status, and the freshness of the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedStatus {
    /// The status.
    pub status: Status,
    /// The freshness that the check has met.
    pub freshness: Freshness,
}
