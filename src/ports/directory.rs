//! User directories.

use super::Unavailable;

/// User directories: the profile of a subject, if the vendor stores one.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait Directory {
    /// The JSON text for a subject in the directory bound as `binding`; `None` if it has none.
    async fn look_up(&self, binding: &str, subject: &str) -> Result<Option<String>, Unavailable>;
}
