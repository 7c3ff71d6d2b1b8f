//! A vendor's own store of sessions.

use super::Unavailable;
use crate::token::Secret;

/// A vendor's own store of sessions, in which a session that has ended must not be left: Redis.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait SessionStore {
    /// Deletes a key of the store at this URL. A key that is not there counts as deleted.
    async fn delete(&self, url: &Secret, key: &str) -> Result<(), Unavailable>;
}
