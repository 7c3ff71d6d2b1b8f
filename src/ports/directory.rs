//! User directories.

use super::Unavailable;

/// User directories: who a subject is, where the shop keeps such a list.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait Directory {
    /// The JSON text that the directory bound as `binding` has for a subject, `None` when it has none.
    async fn look_up(&self, binding: &str, subject: &str) -> Result<Option<String>, Unavailable>;
}
