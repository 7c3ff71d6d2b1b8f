//! From when on a logout holds, as its answer says.

use std::time::Duration;

use crate::time::Timestamp;

/// From when on no check says any more that what was revoked is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Under `strong`, and under `bounded`; neither is promised without a ledger.
    pub with_ledger: Option<(Timestamp, Timestamp)>,
    /// Under `eventual`: once Workers KV has settled, when it takes the write at once.
    pub eventual: Timestamp,
}

impl Effective {
    /// What holds of a revocation that is durable since `now`.
    #[must_use]
    pub fn of(now: Timestamp, has_ledger: bool, bound: Duration, settling: Duration) -> Self {
        Self { with_ledger: has_ledger.then(|| (now, now.plus(bound))), eventual: now.plus(settling) }
    }

    /// As a dictionary of dates (RFC 9651 sections 3.2 and 3.3.7), in seconds of Unix time, rounded up.
    #[must_use]
    pub fn header(&self) -> String {
        let eventual = format!("eventual=@{}", self.eventual.as_seconds_rounded_up());
        self.with_ledger.map_or(eventual.clone(), |(strong, bounded)| {
            let (strong, bounded) = (strong.as_seconds_rounded_up(), bounded.as_seconds_rounded_up());
            format!("strong=@{strong}, bounded=@{bounded}, {eventual}")
        })
    }
}
