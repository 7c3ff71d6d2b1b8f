//! What a shard's feed does not tell, where the operator promises that the ledger alone writes into the index: then a
//! feed that keeps what has settled can tell every live revocation, and nobody who follows it has to ask the index.
//!
//! What holds: while [`Ledger::whole_of`] gives a number of shards, no live revocation that one of so many shards would
//! keep here is outside of this feed. The promise is taken at its word for the time since it was made to this storage
//! with this number of shards, and for nothing before: until all is gone that may have been revoked earlier, by a ledger
//! with other shards, without a ledger, or in a storage that was lost, the feed is not whole.

use std::time::Duration;

use super::ledger::{Head, Ledger, Rows};
use super::memory::MAX_FOLLOWED;
use crate::time::Timestamp;

/// How many rows stay in a shard's feed though they have settled.
const KEPT: usize = 5_000;
/// When a row is due for which there is nothing more to do: in the year 9999.
pub const NEVER: Timestamp = Timestamp::from_seconds(253_402_300_799);
/// How long isolates of an earlier deployment may go on recording where their number of shards says.
const TAKE_OVER: Duration = Duration::from_hours(1);

/// What a shard goes by where the ledger is the sole writer of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SoleWriter {
    /// How many shards there are.
    pub shards: u32,
    /// How many rows stay in the feed though they have settled.
    pub kept: usize,
    /// How long what was revoked before may live.
    pub history: Duration,
}

impl SoleWriter {
    /// For so many shards, of tokens that live so long at the most.
    #[must_use]
    pub fn of(shards: u32, longest_lifetime: Duration) -> Self {
        // All that is kept is to fit into half of what an isolate remembers.
        let room = usize::try_from(shards).ok().and_then(|shards| (MAX_FOLLOWED / 2).checked_div(shards));
        Self {
            shards,
            kept: room.map_or(KEPT, |room| room.min(KEPT)),
            history: longest_lifetime.saturating_add(TAKE_OVER),
        }
    }
}

/// What a shard knows of revocations that its feed does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Untold {
    /// For how many shards that holds.
    pub shards: u32,
    /// The highest version that had left the feed by then. Were it another one, rows have left that this does not know
    /// of: under an earlier version of this service.
    pub trimmed: u64,
    /// When the last of them is gone.
    pub until: Timestamp,
}

impl<R: Rows> Ledger<R> {
    /// Begins to take the promise at its word, unless it does so already; forgets it where it is made no longer. To be
    /// done before anything else.
    ///
    /// # Errors
    /// The database's.
    pub fn begin(&mut self, now: Timestamp) -> Result<(), R::Error> {
        let known = self.rows.untold()?;
        let Some(SoleWriter { shards, history, .. }) = self.sole_writer else {
            return if known.is_some() { self.rows.set_untold(None) } else { Ok(()) };
        };
        let trimmed = self.rows.head()?.trimmed;
        if known.is_some_and(|known| known.shards == shards && known.trimmed == trimmed) {
            return Ok(());
        }
        self.rows.set_untold(Some(Untold { shards, trimmed, until: now.plus(history) }))
    }

    /// Of how many shards this is one whose feed tells every live revocation; 0 while it may not.
    pub(super) fn whole_of(&self, head: &Head, now: Timestamp) -> Result<u32, R::Error> {
        let Some(SoleWriter { shards, .. }) = self.sole_writer else { return Ok(0) };
        let is_whole = |known: Untold| known.shards == shards && known.trimmed == head.trimmed && known.until <= now;
        Ok(if self.rows.untold()?.is_some_and(is_whole) { shards } else { 0 })
    }

    /// Lets what has settled rest in the feed, and takes the oldest of it out where there is too much.
    pub(super) fn keep_newest(&mut self, kept: usize, head: &mut Head, now: Timestamp) -> Result<(), R::Error> {
        self.rows.rest(now)?;
        let upto = self.rows.version_before_newest(kept)?;
        let Some((highest, last_expiry)) = self.rows.last_resting(upto)? else { return Ok(()) };
        let known = self.rows.untold()?.filter(|known| known.trimmed == head.trimmed);
        head.trimmed = head.trimmed.max(highest);
        // Both first: a follower that is told of a gap too many reads the feed again, one that is told of none misses some.
        if let Some(known) = known {
            // Clocks of those who follow may be behind.
            let until = known.until.max(last_expiry.plus(self.settling));
            self.rows.set_untold(Some(Untold { trimmed: head.trimmed, until, ..known }))?;
        }
        self.rows.set_head(head)?;
        self.rows.leave_feed_upto(upto)
    }
}
