//! What an isolate knows of one shard of the ledger.

use std::time::Duration;

use super::feed::{Applied, Follower};
use super::sync::Unheard;
use crate::time::Timestamp;

/// How long a feed that was too large is left alone.
const TOO_LARGE_PAUSE: Duration = Duration::from_secs(30);
/// How long one request may hear a feed before another one begins to: the first may be gone, with its client.
/// Less than half of what a check has, so that it can do so itself.
const PATIENCE: Duration = Duration::from_millis(600);

/// The follower of its feed, and who is hearing it.
#[derive(Debug, Default)]
pub(super) struct Shard {
    pub follower: Option<Follower>,
    pub too_large_until: Option<Timestamp>,
    pub hearing_since: Option<Timestamp>,
    /// When and why it was not heard the last time.
    pub unheard: Option<(Timestamp, Unheard)>,
    /// How late it is to be heard again, by chance: isolates of a location that have heard the same answer must not all
    /// ask for the next one in the same moment.
    pub lateness: u8,
}

impl Shard {
    /// Whether its feed is followed, and is known only to about half the bound ago (0.4 to 0.6), or not yet to its end.
    pub fn is_due(&self, bound: Duration, now: Timestamp) -> bool {
        let fifth = bound.checked_div(5).unwrap_or(bound);
        let chance = fifth.saturating_mul(self.lateness.into()).checked_div(255).unwrap_or(fifth);
        let due = now.minus(fifth.saturating_mul(2).saturating_add(chance));
        let is_old = |follower: &Follower| follower.synced_at().is_none_or(|heard| heard < due);
        self.follower.as_ref().is_some_and(is_old) && !self.is_being_heard(now)
    }

    pub fn is_being_heard(&self, now: Timestamp) -> bool {
        self.hearing_since.is_some_and(|since| since.plus(PATIENCE) > now)
    }

    pub fn give_up(&mut self, now: Timestamp) -> Applied {
        self.follower = None;
        self.too_large_until = Some(now.plus(TOO_LARGE_PAUSE));
        Applied::TooLarge
    }
}
