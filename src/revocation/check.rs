//! Whether a token is revoked, by all that can match it.

use std::time::Duration;

use super::plan::{Ended, revocations_matching};
use super::record::{Scope, StoredRevocation};
use crate::ports::{Clock, Index, IndexError, within};
use crate::time::Timestamp;

/// What is known of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing revokes it.
    Active,
    /// A revocation of this scope ends it.
    Revoked(Scope),
}

/// Asks the index, in one read and within `limit`, for every revocation that can match a token.
///
/// # Errors
/// The index's. A token of which nothing is known is not active.
pub async fn status<P: Index + Clock>(
    platform: &P,
    ended: Ended<'_>,
    issuer: &str,
    issued_at: Option<Timestamp>,
    limit: Duration,
) -> Result<Status, IndexError> {
    let (scopes, keys): (Vec<_>, Vec<_>) = revocations_matching(ended, issuer).into_iter().unzip();
    let values = within::<P, _>(limit, platform.find(&keys)).await.unwrap_or(Err(IndexError::TimedOut))?;
    if values.len() != keys.len() {
        return Err(IndexError::Permanent);
    }
    // A value that cannot be read revokes: somebody wrote it under a key that only a revocation has.
    let revokes = |value: &Option<String>| {
        value
            .as_deref()
            .is_some_and(|text| StoredRevocation::parse(text).is_none_or(|stored| stored.limits().match_token(issued_at)))
    };
    let found = scopes.into_iter().zip(&values).find(|(_, value)| revokes(value));
    Ok(found.map_or(Status::Active, |(scope, _)| Status::Revoked(scope)))
}
