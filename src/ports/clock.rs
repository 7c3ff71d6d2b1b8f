//! Time.

use std::time::Duration;

use crate::time::Timestamp;

/// Time. Workers' own clock moves only with input and output, which is all that is needed here.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait Clock: 'static {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Waits.
    async fn sleep(duration: Duration);
}
