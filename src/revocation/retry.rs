//! Exponential backoff between retries.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Returns `count` pauses. Each is twice as long as the one before, with jitter.
pub(super) fn pauses(first: Duration, count: usize) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_times(count)
        .with_jitter()
        // The default seed is the same in every isolate, so their retries would collide.
        .with_jitter_seed(getrandom::u64().unwrap_or_default())
        .build()
}
