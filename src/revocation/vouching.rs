//! What an isolate's memory need not ask the index for.

use std::cell::RefCell;

use super::feed::{Follower, MEMORY};
use super::memory::{Memory, is_between};
use super::plan::Matchable;
use super::shard::Shard;
use crate::time::Timestamp;

impl Memory {
    /// Whether nothing is missing in what is remembered here: the feed is whole, or what the index said then still
    /// counts, since nothing that it may have missed has been forgotten.
    pub(super) fn covers(&self, follower: &Follower, asked_at: Option<Timestamp>) -> bool {
        self.is_whole(follower) || asked_at.is_some_and(|asked_at| follower.floor() <= asked_at)
    }

    /// Of another number of shards it may be that the rest of these is elsewhere.
    fn is_whole(&self, follower: &Follower) -> bool {
        self.trusts_feeds && follower.whole_of() == self.shards()
    }

    /// Whether the index need not be asked about a token beside the feeds, as they were heard.
    #[must_use]
    pub fn vouches_for(&self, token: &Matchable, now: Timestamp) -> bool {
        let asked_at = self.asked_lately(token, now);
        self.follows_all(token, |follower| self.covers(follower, asked_at))
    }

    /// Whether it need not be asked beside the ledger: lately it knew nothing of the token, or the feeds, whole, told all
    /// that may not be in the ledger.
    pub(super) fn index_tells_no_more(&self, token: &Matchable, now: Timestamp) -> bool {
        let is_whole =
            |follower: &Follower| self.is_whole(follower) && is_between(follower.synced_at(), now.minus(MEMORY), now);
        self.asked_lately(token, now).is_some() || self.follows_all(token, is_whole)
    }

    fn follows_all(&self, token: &Matchable, is_good: impl Fn(&Follower) -> bool) -> bool {
        let is_good = |shard: &RefCell<Shard>| shard.borrow().follower.as_ref().is_some_and(&is_good);
        token.keys().all(|key| self.of_digest(key.digest).is_some_and(is_good))
    }
}
