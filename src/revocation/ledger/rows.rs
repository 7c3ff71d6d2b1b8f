//! The tables of a shard, and the database interface that the ledger uses.

use super::super::key::Digest;
use super::super::record::{Limits, Logout, Revocation, Scope};
use super::wire::Position;
use crate::time::Timestamp;

/// The state of a shard, in a table of one row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Head {
    /// The version of the last log entry. Versions start at 1 and have no gaps.
    pub latest: u64,
    /// The id of the current lineage; 0 before the first entry.
    pub lineage: u64,
    /// Entries up to this version have left the log: they are in segments or have expired.
    pub sealed: u64,
    /// The id of the current directory: a random number that changes with every change of the segments.
    pub directory: u64,
    /// Entries up to this version are in Workers KV or in the pending table.
    pub written: u64,
    /// The number of this shard, from 0.
    pub shard: u32,
    /// How many shards the ledger has. Shard 0 is authoritative.
    pub shards: u32,
    /// Since when this shard has recorded every logout. Older revocations are imported from Workers KV.
    pub complete_since: Timestamp,
    /// A KV listing that starts at this time or later sees every revocation that was written without the ledger.
    pub import_after: Timestamp,
    /// The start of the latest completed import.
    pub imported_since: Option<Timestamp>,
    /// The import in progress.
    pub import: Option<Import>,
    /// The latest position sent by a caller that is not on this shard's history.
    pub unknown_position: Position,
}

/// An import in progress.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Import {
    /// When the listing of Workers KV started.
    pub began_at: Timestamp,
    /// The cursor of the next page.
    pub cursor: Option<String>,
}

/// A range of the shard's history that one instance of the Durable Object wrote. Each instance adds a lineage with its
/// first entry. Replicas send theirs with every call, so that a restore to an earlier state is detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lineage {
    /// The first version that the instance wrote.
    pub first: u64,
    /// The random id.
    pub id: u64,
}

/// A log entry without what only Workers KV needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogEntry {
    /// The digest of what is revoked.
    pub digest: Digest,
    /// Which tokens are revoked, and for how long.
    pub limits: Limits,
    /// The scope of the revocation.
    pub scope: Scope,
}

/// A complete log entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogRow {
    /// The version.
    pub version: u64,
    /// The logout.
    pub logout: Logout,
    /// Whether the entry was imported from Workers KV, and so need not be written there.
    pub is_imported: bool,
}

/// A Workers KV write that is due later, usually a retry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PendingEntry {
    /// The revocation to write.
    pub revocation: Revocation,
    /// The number of failed attempts.
    pub failures: u32,
    /// When the next attempt is due.
    pub due_at: Timestamp,
    /// Until when an earlier write that timed out may still reach KV and overwrite a later one.
    pub uncertain_until: Timestamp,
}

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunState {
    /// Being written. Removed after a restart.
    Unfinished,
    /// Part of the directory.
    Live,
    /// No longer part of the directory. Its blocks are removed in steps.
    Removed,
}

/// A stored run: its id, its state, and its encoded description.
pub type StoredRun = (u64, RunState, Vec<u8>);

/// The database of a shard. All writes between two awaits form one transaction. Every method can fail with a database
/// error.
#[expect(clippy::missing_errors_doc, reason = "the trait documents the error of all methods")]
pub trait Rows {
    /// The database error.
    type Error;

    /// The shard's state; `None` in a new shard.
    fn head(&self) -> Result<Option<Head>, Self::Error>;
    /// Stores the shard's state. `latest` and `lineage` are not stored: they follow from the tables.
    fn set_head(&mut self, head: &Head) -> Result<(), Self::Error>;

    /// Appends an entry to the log.
    fn append(&mut self, row: &LogRow) -> Result<(), Self::Error>;
    /// Up to `limit` log entries after a version, in order of version.
    fn log_after(&self, version: u64, limit: usize) -> Result<Vec<LogEntry>, Self::Error>;
    /// As [`Self::log_after`], with complete entries.
    fn rows_after(&self, version: u64, limit: usize) -> Result<Vec<LogRow>, Self::Error>;
    /// Removes the log entries up to a version.
    fn remove_log(&mut self, upto: u64) -> Result<(), Self::Error>;

    /// The lineages, oldest first.
    fn lineages(&self) -> Result<Vec<Lineage>, Self::Error>;
    /// Adds a lineage. Replaces one with the same first version.
    fn add_lineage(&mut self, lineage: Lineage) -> Result<(), Self::Error>;
    /// Removes the lineages whose first version is lower.
    fn remove_lineages(&mut self, before: u64) -> Result<(), Self::Error>;

    /// All runs, in any state.
    fn runs(&self) -> Result<Vec<StoredRun>, Self::Error>;
    /// Stores the state and description of a run. Replaces the run with this id.
    fn set_run(&mut self, id: u64, state: RunState, about: &[u8]) -> Result<(), Self::Error>;
    /// Removes a run without blocks.
    fn remove_run(&mut self, id: u64) -> Result<(), Self::Error>;
    /// Reads a block of a run.
    fn block(&self, run: u64, place: u32) -> Result<Option<Vec<u8>>, Self::Error>;
    /// Stores a block.
    fn add_block(&mut self, run: u64, place: u32, block: &[u8]) -> Result<(), Self::Error>;
    /// Removes up to `limit` blocks of a run. Returns whether none is left.
    fn remove_blocks(&mut self, run: u64, limit: usize) -> Result<bool, Self::Error>;

    /// The issuer cut-offs that have left the log.
    fn cut_offs(&self) -> Result<Vec<LogEntry>, Self::Error>;
    /// Stores an issuer cut-off. Replaces the one with its digest.
    fn set_cut_off(&mut self, entry: &LogEntry) -> Result<(), Self::Error>;
    /// Removes an issuer cut-off.
    fn remove_cut_off(&mut self, digest: &Digest) -> Result<(), Self::Error>;

    /// The pending write of a digest.
    fn pending(&self, digest: &Digest) -> Result<Option<PendingEntry>, Self::Error>;
    /// Pending writes that are due, oldest first. Includes those due later than [`super::LONGEST_WAIT`] from now: they
    /// were stored before the clock was set back.
    fn pending_due(&self, now: Timestamp, limit: usize) -> Result<Vec<PendingEntry>, Self::Error>;
    /// When the next pending write is due.
    fn next_pending(&self) -> Result<Option<Timestamp>, Self::Error>;
    /// Stores a pending write. Replaces the one with its digest.
    fn set_pending(&mut self, entry: &PendingEntry) -> Result<(), Self::Error>;
    /// Removes a pending write.
    fn remove_pending(&mut self, digest: &Digest) -> Result<(), Self::Error>;

    /// The error for stored data that cannot be decoded.
    fn unreadable(&self) -> Self::Error;
    /// Returns 128 random bits.
    fn random(&mut self) -> Result<[u8; 16], Self::Error>;
    /// The size of the database, in bytes.
    fn size(&self) -> Result<u64, Self::Error>;
}

impl LogEntry {
    /// The log entry of a revocation.
    #[must_use]
    pub const fn of(revocation: &Revocation) -> Self {
        Self { digest: revocation.digest, limits: revocation.limits(), scope: revocation.scope }
    }

    /// Whether the entry has expired, with a margin for clocks that are behind.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.limits.expires_at.plus(super::KEPT_AFTER_EXPIRY) <= now
    }

    /// This entry with the later cut-off and the later expiry of both.
    #[must_use]
    pub fn widened_by(self, other: &Self) -> Self {
        Self { limits: self.limits.widened_by(&other.limits), ..self }
    }
}
