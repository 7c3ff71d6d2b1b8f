//! The tables of a shard: `tests/support/rows.rs` with what Cloudflare counts, over old runs that are not stored.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use edge_logout::revocation::Digest;
use edge_logout::revocation::ledger::{Head, Lineage, LogEntry, LogRow, PendingEntry, Position, Rows, RunState};
use edge_logout::time::Timestamp;

use super::archive::Archive;
use super::memory_rows::{MemoryRows, Unreadable};
use super::tokens::BEGINNING;

/// Rows as the platform bills them, and what takes an object its time.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowBill {
    pub read: u64,
    pub written: u64,
    pub removed: u64,
    pub blocks_read: u64,
    pub blocks_written: u64,
}

/// Rows written, by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Written {
    /// Appended to the log.
    pub appended: u64,
    /// Removed from it, once they are in runs or over.
    pub removed: u64,
    /// The head, lineages and cut-offs.
    pub head: u64,
    /// Entries that Workers KV has not taken at once.
    pub pending: u64,
    /// Runs and their blocks, stored and removed.
    pub runs: u64,
}

impl Written {
    /// What has been added since.
    pub fn since(self, before: &Self) -> Self {
        Self {
            appended: self.appended - before.appended,
            removed: self.removed - before.removed,
            head: self.head - before.head,
            pending: self.pending - before.pending,
            runs: self.runs - before.runs,
        }
    }
}

/// One shard's tables.
pub struct Table {
    rows: MemoryRows,
    archive: Arc<Archive>,
    bill: Rc<Cell<RowBill>>,
    written: Cell<Written>,
    bytes: u64,
}

impl Table {
    /// A shard's that has been in use for long: the runs of an archive, and entries after them that are in Workers KV.
    pub fn long_in_use(archive: Arc<Archive>, (shard, shards): (u32, u32), recent: Vec<LogRow>) -> Self {
        let sealed = archive.sealed;
        let start = BEGINNING.minus(std::time::Duration::from_hours(24 * 90));
        let head = Head {
            latest: 0,
            lineage: 0,
            sealed,
            directory: 1 + u64::from(shard),
            written: sealed + recent.len() as u64,
            shard,
            shards,
            complete_since: start,
            import_after: start,
            imported_since: Some(BEGINNING),
            import: None,
            unknown_position: Position::default(),
        };
        let mut rows = MemoryRows { head: Some(head), seed: 1_000, ..MemoryRows::default() };
        rows.lineages.insert(1, 1);
        rows.log.extend(recent.into_iter().map(|row| (row.version, row)));
        for run in &archive.runs {
            rows.runs.insert(run.id, (RunState::Live, run.about.clone()));
        }
        Self { rows, archive, bill: Rc::default(), written: Cell::default(), bytes: 0 }
    }

    /// What has been read and written, for whoever takes it.
    pub fn bill(&self) -> Rc<Cell<RowBill>> {
        Rc::clone(&self.bill)
    }

    /// Rows written so far, by what they are for.
    pub fn written(&self) -> Written {
        self.written.get()
    }

    /// How many entries of the log are not known to be in Workers KV.
    pub fn backlog(&self) -> usize {
        let written = self.rows.head.as_ref().map_or(0, |head| head.written);
        self.rows.log.range(written + 1..).count() + self.rows.pending.len()
    }

    fn reads(&self, count: usize) {
        let mut bill = self.bill.get();
        bill.read += count as u64;
        self.bill.set(bill);
    }

    fn writes(&self, count: usize, part: impl FnOnce(&mut Written) -> &mut u64) {
        let (mut bill, mut written) = (self.bill.get(), self.written.get());
        bill.written += count as u64;
        *part(&mut written) += count as u64;
        self.bill.set(bill);
        self.written.set(written);
    }

    fn touches_block(&self, is_write: bool) {
        let mut bill = self.bill.get();
        *(if is_write { &mut bill.blocks_written } else { &mut bill.blocks_read }) += 1;
        self.bill.set(bill);
    }

    fn counted<T>(&self, rows: Vec<T>) -> Vec<T> {
        self.reads(rows.len().max(1));
        rows
    }
}

impl Rows for Table {
    type Error = Unreadable;

    fn head(&self) -> Result<Option<Head>, Unreadable> {
        // The head, the last version and the last lineage.
        self.reads(3);
        self.rows.head()
    }

    fn set_head(&mut self, head: &Head) -> Result<(), Unreadable> {
        self.writes(1, |written| &mut written.head);
        self.rows.set_head(head)
    }

    fn append(&mut self, row: &LogRow) -> Result<(), Unreadable> {
        self.writes(1, |written| &mut written.appended);
        self.bytes += 130;
        self.rows.append(row)
    }

    fn log_after(&self, version: u64, limit: usize) -> Result<Vec<LogEntry>, Unreadable> {
        self.rows.log_after(version, limit).map(|rows| self.counted(rows))
    }

    fn rows_after(&self, version: u64, limit: usize) -> Result<Vec<LogRow>, Unreadable> {
        self.rows.rows_after(version, limit).map(|rows| self.counted(rows))
    }

    fn remove_log(&mut self, upto: u64) -> Result<(), Unreadable> {
        let left = self.rows.log.split_off(&(upto + 1));
        let removed = std::mem::replace(&mut self.rows.log, left).len();
        self.writes(removed, |written| &mut written.removed);
        let bill = self.bill.get();
        self.bill.set(RowBill { removed: bill.removed + removed as u64, ..bill });
        self.bytes = self.bytes.saturating_sub(130 * removed as u64);
        Ok(())
    }

    fn lineages(&self) -> Result<Vec<Lineage>, Unreadable> {
        self.rows.lineages().map(|rows| self.counted(rows))
    }

    fn add_lineage(&mut self, lineage: Lineage) -> Result<(), Unreadable> {
        self.writes(1, |written| &mut written.head);
        self.rows.add_lineage(lineage)
    }

    fn remove_lineages(&mut self, before: u64) -> Result<(), Unreadable> {
        self.writes(1, |written| &mut written.head);
        self.rows.remove_lineages(before)
    }

    fn runs(&self) -> Result<Vec<(u64, RunState, Vec<u8>)>, Unreadable> {
        self.rows.runs().map(|rows| self.counted(rows))
    }

    fn set_run(&mut self, id: u64, state: RunState, about: &[u8]) -> Result<(), Unreadable> {
        self.writes(1, |written| &mut written.runs);
        self.rows.set_run(id, state, about)
    }

    fn remove_run(&mut self, id: u64) -> Result<(), Unreadable> {
        self.writes(1, |written| &mut written.runs);
        self.rows.remove_run(id)
    }

    fn block(&self, run: u64, place: u32) -> Result<Option<Vec<u8>>, Unreadable> {
        self.reads(1);
        self.touches_block(false);
        // A run of the archive that is being removed has blocks no more, and nobody asks for them.
        match self.archive.run(run) {
            Some(old) => Ok(old.block(place)),
            None => self.rows.block(run, place),
        }
    }

    fn add_block(&mut self, run: u64, place: u32, block: &[u8]) -> Result<(), Unreadable> {
        self.writes(1, |written| &mut written.runs);
        self.touches_block(true);
        self.rows.add_block(run, place, block)
    }

    fn remove_blocks(&mut self, run: u64, limit: usize) -> Result<bool, Unreadable> {
        let before = self.rows.blocks.len();
        let is_done = self.rows.remove_blocks(run, limit)?;
        let removed = before - self.rows.blocks.len();
        self.writes(removed, |written| &mut written.runs);
        Ok(is_done)
    }

    fn cut_offs(&self) -> Result<Vec<LogEntry>, Unreadable> {
        self.rows.cut_offs().map(|rows| self.counted(rows))
    }

    fn set_cut_off(&mut self, entry: &LogEntry) -> Result<(), Unreadable> {
        self.writes(1, |written| &mut written.head);
        self.rows.set_cut_off(entry)
    }

    fn remove_cut_off(&mut self, digest: &Digest) -> Result<(), Unreadable> {
        self.writes(1, |written| &mut written.head);
        self.rows.remove_cut_off(digest)
    }

    fn pending(&self, digest: &Digest) -> Result<Option<PendingEntry>, Unreadable> {
        self.reads(1);
        self.rows.pending(digest)
    }

    fn pending_due(&self, now: Timestamp, limit: usize) -> Result<Vec<PendingEntry>, Unreadable> {
        self.rows.pending_due(now, limit).map(|rows| self.counted(rows))
    }

    fn next_pending(&self) -> Result<Option<Timestamp>, Unreadable> {
        self.reads(1);
        self.rows.next_pending()
    }

    fn set_pending(&mut self, entry: &PendingEntry) -> Result<(), Unreadable> {
        self.writes(2, |written| &mut written.pending);
        self.rows.set_pending(entry)
    }

    fn remove_pending(&mut self, digest: &Digest) -> Result<(), Unreadable> {
        self.writes(2, |written| &mut written.pending);
        self.rows.remove_pending(digest)
    }

    fn unreadable(&self) -> Unreadable {
        Unreadable
    }

    fn random(&mut self) -> Result<[u8; 16], Unreadable> {
        self.rows.random()
    }

    fn size(&self) -> Result<u64, Unreadable> {
        Ok(self.bytes)
    }
}
