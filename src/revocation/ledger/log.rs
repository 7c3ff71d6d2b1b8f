//! An in-memory index of the log entries that are not sealed yet, by digest.
//!
//! [`RecentLog::update`] compares its last version with the stored one and reads what is missing. Call it before every
//! use.

use std::collections::{BTreeMap, VecDeque};

use super::super::key::Digest;
use super::rows::{Head, LogEntry, Rows};

/// How many entries one query reads.
const READ_BATCH: usize = 10_000;

/// The log entries after version `sealed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct RecentLog {
    sealed: u64,
    lineage: u64,
    entries: VecDeque<LogEntry>,
    /// The latest version of each digest.
    by_digest: BTreeMap<Digest, u64>,
}

impl RecentLog {
    /// The version of the last entry.
    pub fn latest(&self) -> u64 {
        self.sealed.saturating_add(u64::try_from(self.entries.len()).unwrap_or(u64::MAX))
    }

    /// Brings the index up to date with the database.
    pub fn update<R: Rows>(&mut self, rows: &R, head: &Head) -> Result<(), R::Error> {
        if self.lineage != head.lineage || self.latest() > head.latest || self.latest() < head.sealed {
            *self = Self { sealed: head.sealed, lineage: head.lineage, ..Self::default() };
        }
        self.remove_upto(head.sealed);
        while self.latest() < head.latest {
            let entries = rows.log_after(self.latest(), READ_BATCH)?;
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                self.push(entry);
            }
        }
        Ok(())
    }

    /// Adds the next entry.
    pub fn push(&mut self, entry: LogEntry) {
        self.entries.push_back(entry);
        self.by_digest.insert(entry.digest, self.latest());
    }

    /// Sets the lineage of the entries that follow.
    pub fn begin_lineage(&mut self, lineage: u64) {
        self.lineage = lineage;
    }

    fn remove_upto(&mut self, sealed: u64) {
        while self.sealed < sealed {
            let Some(entry) = self.entries.pop_front() else { break };
            self.sealed = self.sealed.saturating_add(1);
            if self.by_digest.get(&entry.digest) == Some(&self.sealed) {
                self.by_digest.remove(&entry.digest);
            }
        }
    }

    /// The latest entry of a digest, with its version.
    pub fn find(&self, digest: &Digest) -> Option<(u64, &LogEntry)> {
        let version = *self.by_digest.get(digest)?;
        let index = version.checked_sub(self.sealed)?.checked_sub(1)?;
        Some((version, self.entries.get(usize::try_from(index).ok()?)?))
    }

    /// The entries, in the order of versions.
    pub fn iter(&self) -> impl Iterator<Item = &LogEntry> {
        self.entries.iter()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}
