//! A vendor's session store.

use super::Unavailable;
use crate::token::Secret;

/// A vendor's session store (Redis), from which a logout must delete the session.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait SessionStore {
    /// Deletes a key from the store at `url`. A missing key counts as deleted.
    async fn delete(&self, url: &Secret, key: &str) -> Result<(), Unavailable>;
}
