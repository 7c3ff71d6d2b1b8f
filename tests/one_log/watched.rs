//! A database that counts, and that fails when it is told to.

use std::cell::Cell;

use edge_logout::revocation::Digest;
use edge_logout::revocation::ledger::{Head, Ledger, Lineage, LogEntry, LogRow, PendingEntry, Rows, RunState};
use edge_logout::time::Timestamp;

use crate::support::rows::{MemoryRows, Unreadable};

/// A database that counts and fails.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    pub rows: MemoryRows,
    /// After so many uses it fails once.
    pub fails_after: Cell<Option<u32>>,
    /// Whether what fails has been written all the same.
    pub fails_late: bool,
    pub blocks_read: Cell<usize>,
    pub blocks_written: usize,
    pub size: Option<u64>,
}

impl Watched {
    pub fn of(rows: MemoryRows) -> Self {
        Self { rows, ..Self::default() }
    }

    /// Whether this use fails.
    fn fails(&self) -> bool {
        let left = self.fails_after.get();
        self.fails_after.set(left.and_then(|left| left.checked_sub(1)));
        left == Some(0)
    }

    fn read<T>(&self, read: impl FnOnce(&MemoryRows) -> Result<T, Unreadable>) -> Result<T, Unreadable> {
        if self.fails() { Err(Unreadable) } else { read(&self.rows) }
    }

    fn write<T>(&mut self, write: impl FnOnce(&mut MemoryRows) -> Result<T, Unreadable>) -> Result<T, Unreadable> {
        let fails = self.fails();
        let written = if fails && !self.fails_late { Err(Unreadable) } else { write(&mut self.rows) };
        if fails { Err(Unreadable) } else { written }
    }
}

/// Does something as the object does it: all of it, or nothing, and what is known of it is forgotten.
pub fn transaction<T>(
    ledger: &mut Ledger<Watched>,
    act: impl FnOnce(&mut Ledger<Watched>) -> Result<T, Unreadable>,
) -> Result<T, Unreadable> {
    let before = ledger.rows.rows.clone();
    let done = act(ledger);
    if done.is_err() {
        ledger.rows.rows = before;
        ledger.forget_instance();
    }
    done
}

impl Rows for Watched {
    type Error = Unreadable;

    fn head(&self) -> Result<Option<Head>, Unreadable> {
        self.read(Rows::head)
    }
    fn set_head(&mut self, head: &Head) -> Result<(), Unreadable> {
        self.write(|rows| rows.set_head(head))
    }
    fn append(&mut self, row: &LogRow) -> Result<(), Unreadable> {
        self.write(|rows| rows.append(row))
    }
    fn log_after(&self, version: u64, limit: usize) -> Result<Vec<LogEntry>, Unreadable> {
        self.read(|rows| rows.log_after(version, limit))
    }
    fn rows_after(&self, version: u64, limit: usize) -> Result<Vec<LogRow>, Unreadable> {
        self.read(|rows| rows.rows_after(version, limit))
    }
    fn remove_log(&mut self, upto: u64) -> Result<(), Unreadable> {
        self.write(|rows| rows.remove_log(upto))
    }
    fn lineages(&self) -> Result<Vec<Lineage>, Unreadable> {
        self.read(Rows::lineages)
    }
    fn add_lineage(&mut self, lineage: Lineage) -> Result<(), Unreadable> {
        self.write(|rows| rows.add_lineage(lineage))
    }
    fn remove_lineages(&mut self, before: u64) -> Result<(), Unreadable> {
        self.write(|rows| rows.remove_lineages(before))
    }
    fn runs(&self) -> Result<Vec<(u64, RunState, Vec<u8>)>, Unreadable> {
        self.read(Rows::runs)
    }
    fn set_run(&mut self, id: u64, state: RunState, about: &[u8]) -> Result<(), Unreadable> {
        self.write(|rows| rows.set_run(id, state, about))
    }
    fn remove_run(&mut self, id: u64) -> Result<(), Unreadable> {
        self.write(|rows| rows.remove_run(id))
    }
    fn block(&self, run: u64, place: u32) -> Result<Option<Vec<u8>>, Unreadable> {
        self.blocks_read.set(self.blocks_read.get() + 1);
        self.read(|rows| rows.block(run, place))
    }
    fn add_block(&mut self, run: u64, place: u32, block: &[u8]) -> Result<(), Unreadable> {
        self.blocks_written += 1;
        self.write(|rows| rows.add_block(run, place, block))
    }
    fn remove_blocks(&mut self, run: u64, limit: usize) -> Result<bool, Unreadable> {
        self.write(|rows| rows.remove_blocks(run, limit))
    }
    fn cut_offs(&self) -> Result<Vec<LogEntry>, Unreadable> {
        self.read(Rows::cut_offs)
    }
    fn set_cut_off(&mut self, entry: &LogEntry) -> Result<(), Unreadable> {
        self.write(|rows| rows.set_cut_off(entry))
    }
    fn remove_cut_off(&mut self, digest: &Digest) -> Result<(), Unreadable> {
        self.write(|rows| rows.remove_cut_off(digest))
    }
    fn pending(&self, digest: &Digest) -> Result<Option<PendingEntry>, Unreadable> {
        self.read(|rows| rows.pending(digest))
    }
    fn pending_due(&self, now: Timestamp, limit: usize) -> Result<Vec<PendingEntry>, Unreadable> {
        self.read(|rows| rows.pending_due(now, limit))
    }
    fn next_pending(&self) -> Result<Option<Timestamp>, Unreadable> {
        self.read(Rows::next_pending)
    }
    fn set_pending(&mut self, entry: &PendingEntry) -> Result<(), Unreadable> {
        self.write(|rows| rows.set_pending(entry))
    }
    fn remove_pending(&mut self, digest: &Digest) -> Result<(), Unreadable> {
        self.write(|rows| rows.remove_pending(digest))
    }
    fn unreadable(&self) -> Unreadable {
        Unreadable
    }
    fn random(&mut self) -> Result<[u8; 16], Unreadable> {
        // Never the same again, also when the transaction is undone.
        self.rows.random()
    }
    fn size(&self) -> Result<u64, Unreadable> {
        self.size.map_or_else(|| self.rows.size(), Ok)
    }
}
