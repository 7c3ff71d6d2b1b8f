//! The pauses between tries.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// So many pauses, each twice the one before, with jitter.
pub(super) fn pauses(first: Duration, count: usize) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_times(count)
        .with_jitter()
        // Without a seed of its own every isolate would pause alike, and contenders would meet again and again.
        .with_jitter_seed(getrandom::u64().unwrap_or_default())
        .build()
}
