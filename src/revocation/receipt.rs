//! When a logout takes effect, as reported in its response.

use std::time::Duration;

use crate::time::Timestamp;

/// The times from which checks no longer report the revoked tokens as active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effective {
    /// For `strong` and `bounded` checks; `None` without a ledger.
    pub with_ledger: Option<(Timestamp, Timestamp)>,
    /// For `eventual` checks, provided that the Workers KV write succeeds at once.
    pub eventual: Timestamp,
}

impl Effective {
    /// The times for a revocation that is durable since `now`.
    #[must_use]
    pub fn of(now: Timestamp, has_ledger: bool, bound: Duration, settling: Duration) -> Self {
        Self { with_ledger: has_ledger.then(|| (now, now.plus(bound))), eventual: now.plus(settling) }
    }

    /// Encodes the times as a Structured Fields dictionary of dates (RFC 9651 sections 3.2 and 3.3.7), rounded up to
    /// seconds.
    #[must_use]
    pub fn header(&self) -> String {
        let eventual = format!("eventual=@{}", self.eventual.as_seconds_rounded_up());
        self.with_ledger.map_or(eventual.clone(), |(strong, bounded)| {
            let (strong, bounded) = (strong.as_seconds_rounded_up(), bounded.as_seconds_rounded_up());
            format!("strong=@{strong}, bounded=@{bounded}, {eventual}")
        })
    }
}
