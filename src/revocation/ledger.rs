//! The ledger: the durable, ordered authority of one shard's revocations, and the outbox that writes them to the index.
//!
//! Pure: every decision is here, and [`Rows`] is all that it needs of a database. The Durable Object answers that with
//! SQLite; the model in `tests/model.rs` with a map, so that what is checked exhaustively is what runs.
//!
//! What holds: a revocation is in the feed from the moment it is recorded until it has been in the index for the
//! settling time. So whoever follows the feed and asks the index misses nothing.

use std::time::Duration;

use super::feed::{Changes, FeedEntry};
use super::record::{Limits, Revocation};
pub use super::rows::{Head, Row, Rows};
pub use super::untold::{NEVER, SoleWriter, Untold};
use crate::time::Timestamp;

/// The first pause after a write to the index that failed; it doubles with every further one. Workers KV takes one write
/// a second to a key.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How long revocations gather before they are written to the index together.
pub const GATHERING: Duration = Duration::from_millis(100);
/// How long a write to the index is waited for.
pub const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// How long a write to the index may still arrive that is on its way: it may be given up only at its limit, and arrive a
/// minute later all the same.
const LATE_WRITE: Duration = Duration::from_mins(1).saturating_add(WRITE_LIMIT);
/// The most entries in one answer of the feed.
pub const PAGE: usize = 2_000;
/// So many of the newest changes are told to a follower that knows them already: the answer then does for others of its
/// location, who may be a few behind.
const OVERLAP: usize = 16;
/// How many expired revocations are removed in one go: a shard may have millions, and an alarm has 30 seconds of time.
const REMOVED_AT_ONCE: usize = 10_000;

/// What holds for every shard of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerRules {
    /// How many shards there are.
    pub shards: u32,
    /// How long the index takes until every location sees a write.
    pub settling: Duration,
    /// Whether it is promised that nothing else writes into the index.
    pub sole_writer: bool,
}

/// What a follower of the feed asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Since {
    /// All of it. Later pages begin after the last version of the page before.
    Start(u64),
    /// What has changed after a version of an epoch.
    Version(String, u64),
}

/// One shard.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ledger<R> {
    /// Its database.
    pub rows: R,
    /// How long the index takes until every location sees a write.
    pub settling: Duration,
    /// What it goes by where nothing else writes into the index.
    pub sole_writer: Option<SoleWriter>,
}

impl<R: Rows> Ledger<R> {
    /// Records revocations, in their order. What is there already and ends as much stays as it is, so recording twice
    /// is recording once; otherwise the later cut-off and the later expiry of both are kept.
    ///
    /// # Errors
    /// The database's; then nothing may be answered, and recording again is safe.
    pub fn record(&mut self, batch: &[Revocation], now: Timestamp) -> Result<(), R::Error> {
        let mut head = self.rows.head()?;
        let first = head.latest.saturating_add(1);
        head.latest = head.latest.saturating_add(u64::try_from(batch.len()).unwrap_or(u64::MAX));
        let expiries = batch.iter().map(|revocation| revocation.expires_at);
        head.first_expiry = head.first_expiry.into_iter().chain(expiries).min();
        // First, so that whatever fails then no version is given twice. Not all of them have to be used.
        self.rows.set_head(&head)?;
        for (revocation, version) in batch.iter().zip(first..) {
            let stored = self.rows.find(&revocation.key)?;
            let known = stored.as_ref().map(|row| row.revocation.limits());
            if known.is_some_and(|known| known.cover(&revocation.limits(), revocation.spare)) {
                continue;
            }
            let limits = known.map_or(revocation.limits(), |known| known.widened_by(&revocation.limits()));
            // A write that was given up may arrive even after another one has succeeded.
            let is_on_its_way = |row: &Row| row.indexed_at.is_none_or(|at| now < at.plus(LATE_WRITE));
            self.rows.store(&Row {
                revocation: revocation.clone().within(limits),
                version,
                in_feed: true,
                indexed_at: None,
                contested_until: stored.filter(is_on_its_way).map(|_| now.plus(LATE_WRITE)),
                failures: 0,
                due_at: now.plus(GATHERING),
            })?;
        }
        Ok(())
    }

    /// The limits of those of the keys that are recorded, in the order of the keys.
    ///
    /// # Errors
    /// The database's.
    pub fn contains(&self, keys: &[String]) -> Result<Vec<Option<Limits>>, R::Error> {
        self.rows.limits(keys)
    }

    /// The feed.
    ///
    /// A follower that has missed what has left the feed meanwhile, or that knows another epoch, gets the start of the
    /// feed instead, and sees it by `after` and `trimmed`.
    ///
    /// # Errors
    /// The database's.
    pub fn changes(&self, since: &Since, now: Timestamp) -> Result<Changes, R::Error> {
        let head = self.rows.head()?;
        let after = match since {
            Since::Start(after) => *after,
            Since::Version(epoch, version)
                if *epoch == head.epoch && *version >= head.trimmed && *version <= head.latest =>
            {
                // Nobody may be told less than everything after `trimmed` as if it were everything.
                (*version).min(self.rows.version_before_newest(OVERLAP)?.max(head.trimmed))
            }
            Since::Version(..) => 0,
        };
        let rows = self.rows.feed_after(after, PAGE)?;
        let oldest = self.rows.feed_after(0, 1)?.first().map_or(head.latest.saturating_add(1), |row| row.version);
        let is_complete = rows.len() < PAGE;
        let upto = if is_complete { head.latest } else { rows.last().map_or(head.latest, |row| row.version) };
        Ok(Changes {
            whole_of: self.whole_of(&head, now)?,
            epoch: head.epoch,
            after,
            trimmed: head.trimmed,
            upto,
            oldest,
            is_complete,
            entries: rows.iter().filter_map(FeedEntry::of).collect(),
        })
    }

    /// Rows that are to be written to the index now.
    ///
    /// # Errors
    /// The database's.
    pub fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Row>, R::Error> {
        self.rows.due(now, limit)
    }

    /// Notes that the index has a row as it was at a version, which was sent then.
    ///
    /// # Errors
    /// The database's.
    pub fn indexed(&mut self, key: &str, version: u64, sent_at: Timestamp, now: Timestamp) -> Result<(), R::Error> {
        // Were the row another one by now, the index would not have it as it stands.
        let Some(row) = self.rows.find(key)?.filter(|row| row.version == version) else { return Ok(()) };
        self.rows.store(&match row.contested_until {
            // What was sent before may have been there before the late one.
            Some(until) if sent_at < until => Row { due_at: until.max(now), failures: 0, ..row },
            _ => Row {
                indexed_at: Some(now),
                contested_until: None,
                failures: 0,
                due_at: now.plus(self.settling),
                ..row
            },
        })
    }

    /// Notes that the index could not be written.
    ///
    /// # Errors
    /// The database's.
    pub fn not_indexed(&mut self, key: &str, version: u64, now: Timestamp) -> Result<(), R::Error> {
        let Some(row) = self.rows.find(key)?.filter(|row| row.version == version) else { return Ok(()) };
        let pause = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(row.failures).unwrap_or(u32::MAX));
        let due_at = now.plus(pause.min(LONGEST_PAUSE));
        self.rows.store(&Row { failures: row.failures.saturating_add(1), due_at, ..row })
    }

    /// Takes out of the feed what has settled in the index, and out of the ledger what has expired.
    ///
    /// # Errors
    /// The database's.
    pub fn tidy(&mut self, now: Timestamp) -> Result<(), R::Error> {
        let mut head = self.rows.head()?;
        match (self.rows.highest_settled(now)?, self.sole_writer) {
            (None, _) => {}
            (Some(_), Some(SoleWriter { kept, .. })) => self.keep_newest(kept, &mut head, now)?,
            (Some(version), None) => {
                head.trimmed = head.trimmed.max(version);
                // First: a follower that is told of a gap too many reads the feed again, one told of none misses some.
                self.rows.set_head(&head)?;
                self.rows.leave_feed(now)?;
            }
        }
        if self.sweep_at(&head).is_some_and(|moment| moment <= now)
            && self.rows.remove_expired(now.minus(self.settling), REMOVED_AT_ONCE)?
        {
            head.swept_at = now;
            head.first_expiry = self.rows.first_expiry()?;
            self.rows.set_head(&head)?;
        }
        Ok(())
    }

    /// When there is next something to do, `None` when the ledger is empty.
    ///
    /// # Errors
    /// The database's.
    pub fn next_alarm(&self) -> Result<Option<Timestamp>, R::Error> {
        let sweep_at = self.sweep_at(&self.rows.head()?);
        Ok([self.rows.next_due()?, sweep_at].into_iter().flatten().min())
    }

    /// When what has expired is removed. Not at once, since the clocks of those who follow the feed may be behind; and
    /// since looking for it reads the whole table, not more often than every ten settling times.
    fn sweep_at(&self, head: &Head) -> Option<Timestamp> {
        let rested = head.swept_at.plus(self.settling.saturating_mul(10));
        Some(head.first_expiry?.plus(self.settling).max(rested))
    }
}
