//! What a shard of the ledger stores, and what it needs of its database.

use super::record::{Limits, Revocation};
use super::untold::Untold;
use crate::time::Timestamp;

/// A revocation in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// What is revoked.
    pub revocation: Revocation,
    /// Its place in the order of all changes; a new one whenever its limits change.
    pub version: u64,
    /// Whether the feed still tells it.
    pub in_feed: bool,
    /// Since when the index has it as it stands.
    pub indexed_at: Option<Timestamp>,
    /// Until when an earlier, narrower form of it may still arrive at the index and replace it there. A write before
    /// that is to be repeated then.
    pub contested_until: Option<Timestamp>,
    /// How many writes to the index have failed in a row.
    pub failures: u32,
    /// When there is next something to do for it, while it is in the feed: to write it to the index, or, once it is there
    /// and has settled, to take it out of the feed.
    pub due_at: Timestamp,
}

/// What a shard knows of itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Head {
    /// Which life of this shard it is: another one after its storage was lost, whose versions mean something else.
    pub epoch: String,
    /// The latest version given.
    pub latest: u64,
    /// The highest version that has left the feed.
    pub trimmed: u64,
    /// When the shard was swept last.
    pub swept_at: Timestamp,
    /// When the first row expires, or earlier; none when there is no row. Kept here, since to look for it is to read the
    /// whole table.
    pub first_expiry: Option<Timestamp>,
}

/// What the ledger needs of a database; every error is the database's own. All writes between two awaits are one transaction.
#[expect(clippy::missing_errors_doc, reason = "told once, for all of them")]
pub trait Rows {
    /// Why it does not answer.
    type Error;

    /// What the shard knows of itself.
    fn head(&self) -> Result<Head, Self::Error>;
    /// Stores that.
    fn set_head(&mut self, head: &Head) -> Result<(), Self::Error>;
    /// The row of a key.
    fn find(&self, key: &str) -> Result<Option<Row>, Self::Error>;
    /// The limits of some keys' rows, in the order of the keys.
    fn limits(&self, keys: &[String]) -> Result<Vec<Option<Limits>>, Self::Error> {
        keys.iter().map(|key| Ok(self.find(key)?.map(|row| row.revocation.limits()))).collect()
    }
    /// Stores a row in the place of the one with its key.
    fn store(&mut self, row: &Row) -> Result<(), Self::Error>;
    /// Rows of the feed after a version, in the order of versions.
    fn feed_after(&self, version: u64, limit: usize) -> Result<Vec<Row>, Self::Error>;
    /// The version after which the feed has so many rows, 0 when it has no more than that.
    fn version_before_newest(&self, count: usize) -> Result<u64, Self::Error>;
    /// Rows of the feed that the index does not have and that are due; those first that are due longest.
    fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Row>, Self::Error>;
    /// When the next row of the feed is due, for whatever it is.
    fn next_due(&self) -> Result<Option<Timestamp>, Self::Error>;
    /// The highest version of the rows of the feed that the index has and that are due, `None` when there are none.
    fn highest_settled(&self, now: Timestamp) -> Result<Option<u64>, Self::Error>;
    /// Takes those rows out of the feed.
    fn leave_feed(&mut self, now: Timestamp) -> Result<(), Self::Error>;
    /// Lets the same rest: they are never due, and stay.
    fn rest(&mut self, now: Timestamp) -> Result<(), Self::Error>;
    /// The highest version and the last expiry of the resting rows of the feed up to a version, `None` when there are none.
    fn last_resting(&self, upto: u64) -> Result<Option<(u64, Timestamp)>, Self::Error>;
    /// Takes those rows out of the feed.
    fn leave_feed_upto(&mut self, upto: u64) -> Result<(), Self::Error>;
    /// What is known of what the feed does not tell.
    fn untold(&self) -> Result<Option<Untold>, Self::Error>;
    /// Stores that.
    fn set_untold(&mut self, untold: Option<Untold>) -> Result<(), Self::Error>;
    /// Removes what has expired by then, at most so many rows. Gives whether that was all.
    fn remove_expired(&mut self, moment: Timestamp, limit: usize) -> Result<bool, Self::Error>;
    /// When the first row expires. Reads the whole table.
    fn first_expiry(&self) -> Result<Option<Timestamp>, Self::Error>;
}
