//! The clock.

use std::time::Duration;

use crate::time::Timestamp;

/// The clock and timers. In Workers the clock only advances with I/O.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait Clock: 'static {
    /// The current time.
    fn now(&self) -> Timestamp;

    /// Waits for a duration.
    async fn sleep(duration: Duration);
}
