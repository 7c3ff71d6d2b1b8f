//! What a shard of the ledger stores, and what it needs of its database.

use super::super::key::Digest;
use super::super::record::{Limits, Logout, Revocation, Scope};
use super::wire::Position;
use crate::time::Timestamp;

/// What a shard knows of itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Head {
    /// The last version; each entry of the log has the next one.
    pub latest: u64,
    /// The latest lineage, 0 before the first record.
    pub lineage: u64,
    /// Up to this version entries have left the log: they are in segments, or have expired.
    pub sealed: u64,
    /// Which list of segments is current: a random number, another one with every change.
    pub directory: u64,
    /// Up to this version entries are in Workers KV, or among the pending ones.
    pub written: u64,
    /// Which shard this is.
    pub shard: u32,
    /// How many shards the ledger has. Shard 0 decides.
    pub shards: u32,
    /// Since when this shard has recorded every logout. Entries of Workers KV from before are imported.
    pub complete_since: Timestamp,
    /// A listing that begins then, or later, finds everything that was written to Workers KV without the ledger.
    pub import_after: Timestamp,
    /// When the latest listing began that was read to its end.
    pub imported_since: Option<Timestamp>,
    /// The import that is under way.
    pub import: Option<Import>,
    /// The latest position that a caller had and that is not on this shard's history.
    pub foreign: Position,
}

/// An import that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Import {
    /// When its listing of Workers KV began.
    pub began_at: Timestamp,
    /// Where the listing goes on.
    pub cursor: Option<String>,
}

/// From which version on the shard's history has been written by one start of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lineage {
    /// Its first version.
    pub first: u64,
    /// Its random id.
    pub id: u64,
}

/// An entry of the log, as replicas, runs and confirmations need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogEntry {
    /// What is revoked.
    pub digest: Digest,
    /// Which tokens, and for how long.
    pub limits: Limits,
    /// How much it ends.
    pub scope: Scope,
}

/// An entry of the log with what Workers KV needs of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogRow {
    /// Its version.
    pub version: u64,
    /// What was revoked.
    pub logout: Logout,
    /// Whether it was read from Workers KV, so that it need not be written there.
    pub is_imported: bool,
}

/// An entry of Workers KV that could not be written yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PendingEntry {
    /// What it says.
    pub revocation: Revocation,
    /// How many writes have failed in a row.
    pub failures: u32,
    /// When it is written next.
    pub due_at: Timestamp,
    /// Until when an earlier write, whose end is not known, may still arrive and replace a later one.
    pub uncertain_until: Timestamp,
}

/// Whether a run can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunState {
    /// It is being made, and lost when the object stops.
    Unfinished,
    /// It is in the directory.
    Live,
    /// It has left the directory; its blocks are removed bit by bit.
    Removed,
}

/// A run: its id, whether it can be read, and its description.
pub type StoredRun = (u64, RunState, Vec<u8>);

/// What the ledger needs of a database; every error is the database's own. All writes between two awaits are one
/// transaction.
#[expect(clippy::missing_errors_doc, reason = "told once, for all of them")]
pub trait Rows {
    /// Why it does not answer.
    type Error;

    /// What the shard knows of itself, `None` when it is new.
    fn head(&self) -> Result<Option<Head>, Self::Error>;
    /// Stores that, but for `latest` and `lineage`, which follow from the tables.
    fn set_head(&mut self, head: &Head) -> Result<(), Self::Error>;

    /// Adds the next entry to the log.
    fn append(&mut self, row: &LogRow) -> Result<(), Self::Error>;
    /// Entries of the log after a version, in the order of versions.
    fn log_after(&self, version: u64, limit: usize) -> Result<Vec<LogEntry>, Self::Error>;
    /// The same with what Workers KV needs.
    fn rows_after(&self, version: u64, limit: usize) -> Result<Vec<LogRow>, Self::Error>;
    /// Removes the entries up to a version.
    fn remove_log(&mut self, upto: u64) -> Result<(), Self::Error>;

    /// The lineages, oldest first.
    fn lineages(&self) -> Result<Vec<Lineage>, Self::Error>;
    /// Adds a lineage, in the place of the one with its first version.
    fn add_lineage(&mut self, lineage: Lineage) -> Result<(), Self::Error>;
    /// Removes the lineages that begin before a version.
    fn remove_lineages(&mut self, before: u64) -> Result<(), Self::Error>;

    /// The runs with their descriptions.
    fn runs(&self) -> Result<Vec<StoredRun>, Self::Error>;
    /// Stores a run's state and description, in the place of the one with its id.
    fn set_run(&mut self, id: u64, state: RunState, about: &[u8]) -> Result<(), Self::Error>;
    /// Forgets a run whose blocks are removed.
    fn remove_run(&mut self, id: u64) -> Result<(), Self::Error>;
    /// A block of a run.
    fn block(&self, run: u64, place: u32) -> Result<Option<Vec<u8>>, Self::Error>;
    /// Stores a block.
    fn add_block(&mut self, run: u64, place: u32, block: &[u8]) -> Result<(), Self::Error>;
    /// Removes up to so many blocks of a run; whether none is left.
    fn remove_blocks(&mut self, run: u64, limit: usize) -> Result<bool, Self::Error>;

    /// The cut-offs of issuers that have left the log.
    fn cut_offs(&self) -> Result<Vec<LogEntry>, Self::Error>;
    /// Stores one, in the place of the one with its digest.
    fn set_cut_off(&mut self, entry: &LogEntry) -> Result<(), Self::Error>;
    /// Removes one.
    fn remove_cut_off(&mut self, digest: &Digest) -> Result<(), Self::Error>;

    /// The pending entry of a digest.
    fn pending(&self, digest: &Digest) -> Result<Option<PendingEntry>, Self::Error>;
    /// Pending entries that are due, or due only after [`super::LONGEST_WAIT`]; those first that are due longest.
    fn pending_due(&self, now: Timestamp, limit: usize) -> Result<Vec<PendingEntry>, Self::Error>;
    /// When the next pending entry is due.
    fn next_pending(&self) -> Result<Option<Timestamp>, Self::Error>;
    /// Stores a pending entry, in the place of the one with its digest.
    fn set_pending(&mut self, entry: &PendingEntry) -> Result<(), Self::Error>;
    /// Removes a pending entry.
    fn remove_pending(&mut self, digest: &Digest) -> Result<(), Self::Error>;

    /// The error of what is stored and cannot be read.
    fn unreadable(&self) -> Self::Error;
    /// 128 random bits.
    fn random(&mut self) -> Result<[u8; 16], Self::Error>;
    /// How many bytes are stored.
    fn size(&self) -> Result<u64, Self::Error>;
}

impl LogEntry {
    /// The entry of a revocation.
    #[must_use]
    pub const fn of(revocation: &Revocation) -> Self {
        Self { digest: revocation.digest, limits: revocation.limits(), scope: revocation.scope }
    }

    /// Whether no token is left that it could match, however late the clocks of those who ask.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.limits.expires_at.plus(super::KEPT_AFTER_EXPIRY) <= now
    }

    /// Both in one: the later cut-off and the later expiry.
    #[must_use]
    pub fn widened_by(self, other: &Self) -> Self {
        Self { limits: self.limits.widened_by(&other.limits), ..self }
    }
}
