//! A database that fails in the middle.

use std::cell::Cell;

use edge_logout::revocation::Digest;
use edge_logout::revocation::ledger::{Head, Lineage, LogEntry, LogRow, PendingEntry, Rows, RunState};
use edge_logout::time::Timestamp;

use super::rows::{MemoryRows, Unreadable};

/// Rows of which only so many more writes succeed.
#[derive(Clone, Debug, Default)]
pub struct FragileRows {
    pub rows: MemoryRows,
    pub writes_left: Cell<usize>,
}

/// The database's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl FragileRows {
    fn write(&mut self) -> Result<&mut MemoryRows, Broken> {
        let left = self.writes_left.get().checked_sub(1).ok_or(Broken)?;
        self.writes_left.set(left);
        Ok(&mut self.rows)
    }
}

fn broken(_: Unreadable) -> Broken {
    Broken
}

impl Rows for FragileRows {
    type Error = Broken;

    fn head(&self) -> Result<Option<Head>, Broken> {
        self.rows.head().map_err(broken)
    }

    fn set_head(&mut self, head: &Head) -> Result<(), Broken> {
        self.write()?.set_head(head).map_err(broken)
    }

    fn append(&mut self, row: &LogRow) -> Result<(), Broken> {
        self.write()?.append(row).map_err(broken)
    }

    fn log_after(&self, version: u64, limit: usize) -> Result<Vec<LogEntry>, Broken> {
        self.rows.log_after(version, limit).map_err(broken)
    }

    fn rows_after(&self, version: u64, limit: usize) -> Result<Vec<LogRow>, Broken> {
        self.rows.rows_after(version, limit).map_err(broken)
    }

    fn remove_log(&mut self, upto: u64) -> Result<(), Broken> {
        self.write()?.remove_log(upto).map_err(broken)
    }

    fn lineages(&self) -> Result<Vec<Lineage>, Broken> {
        self.rows.lineages().map_err(broken)
    }

    fn add_lineage(&mut self, lineage: Lineage) -> Result<(), Broken> {
        self.write()?.add_lineage(lineage).map_err(broken)
    }

    fn remove_lineages(&mut self, before: u64) -> Result<(), Broken> {
        self.write()?.remove_lineages(before).map_err(broken)
    }

    fn runs(&self) -> Result<Vec<(u64, RunState, Vec<u8>)>, Broken> {
        self.rows.runs().map_err(broken)
    }

    fn set_run(&mut self, id: u64, state: RunState, about: &[u8]) -> Result<(), Broken> {
        self.write()?.set_run(id, state, about).map_err(broken)
    }

    fn remove_run(&mut self, id: u64) -> Result<(), Broken> {
        self.write()?.remove_run(id).map_err(broken)
    }

    fn block(&self, run: u64, place: u32) -> Result<Option<Vec<u8>>, Broken> {
        self.rows.block(run, place).map_err(broken)
    }

    fn add_block(&mut self, run: u64, place: u32, block: &[u8]) -> Result<(), Broken> {
        self.write()?.add_block(run, place, block).map_err(broken)
    }

    fn remove_blocks(&mut self, run: u64, limit: usize) -> Result<bool, Broken> {
        self.write()?.remove_blocks(run, limit).map_err(broken)
    }

    fn cut_offs(&self) -> Result<Vec<LogEntry>, Broken> {
        self.rows.cut_offs().map_err(broken)
    }

    fn set_cut_off(&mut self, entry: &LogEntry) -> Result<(), Broken> {
        self.write()?.set_cut_off(entry).map_err(broken)
    }

    fn remove_cut_off(&mut self, digest: &Digest) -> Result<(), Broken> {
        self.write()?.remove_cut_off(digest).map_err(broken)
    }

    fn pending(&self, digest: &Digest) -> Result<Option<PendingEntry>, Broken> {
        self.rows.pending(digest).map_err(broken)
    }

    fn pending_due(&self, now: Timestamp, limit: usize) -> Result<Vec<PendingEntry>, Broken> {
        self.rows.pending_due(now, limit).map_err(broken)
    }

    fn next_pending(&self) -> Result<Option<Timestamp>, Broken> {
        self.rows.next_pending().map_err(broken)
    }

    fn set_pending(&mut self, entry: &PendingEntry) -> Result<(), Broken> {
        self.write()?.set_pending(entry).map_err(broken)
    }

    fn remove_pending(&mut self, digest: &Digest) -> Result<(), Broken> {
        self.write()?.remove_pending(digest).map_err(broken)
    }

    fn random(&mut self) -> Result<[u8; 16], Broken> {
        self.rows.random().map_err(broken)
    }

    fn size(&self) -> Result<u64, Broken> {
        self.rows.size().map_err(broken)
    }

    fn unreadable(&self) -> Broken {
        Broken
    }
}
