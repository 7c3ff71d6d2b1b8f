//! The database of a shard: the one of the other tests, which some mutations break.

use edge_logout::revocation::Digest;
use edge_logout::revocation::ledger::{Head, Lineage, LogEntry, LogRow, PendingEntry, Rows, RunState};
use edge_logout::time::Timestamp;

use crate::mutations::Mutation;
use crate::rows::{MemoryRows, Unreadable};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tables {
    pub rows: MemoryRows,
    mutation: Option<Mutation>,
    /// Whether another instance of the object has replaced the one that reads here: nothing can be read any more.
    pub is_replaced: bool,
    /// What a call wants to record, for a mutation that does not widen it.
    pub narrow: Option<LogEntry>,
}

impl Tables {
    pub fn new(place: u64, mutation: Option<Mutation>) -> Self {
        let rows = MemoryRows { seed: place << 20, ..MemoryRows::default() };
        Self { rows, mutation, is_replaced: false, narrow: None }
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    fn own(&self) -> Result<&MemoryRows, Unreadable> {
        if self.is_replaced { Err(Unreadable) } else { Ok(&self.rows) }
    }

    fn own_mut(&mut self) -> Result<&mut MemoryRows, Unreadable> {
        if self.is_replaced { Err(Unreadable) } else { Ok(&mut self.rows) }
    }

    /// The entry of a digest that another run has with an earlier cut-off.
    fn narrower(&self, entry: &[u8]) -> Option<Vec<u8>> {
        let mut entries =
            self.rows.blocks.iter().filter(|((_, place), _)| *place < 1 << 16).flat_map(|(_, block)| block.chunks(48));
        let other = entries.find(|other| other[..32] == entry[..32] && other[32..40] < entry[32..40])?;
        Some(other.to_vec())
    }
}

impl Rows for Tables {
    type Error = Unreadable;

    fn head(&self) -> Result<Option<Head>, Unreadable> {
        let Some(head) = self.own()?.head()? else { return Ok(None) };
        Ok(Some(match self.mutation {
            Some(Mutation::SealsWhatIsNotWritten) => Head { written: head.latest, ..head },
            Some(Mutation::NeverImports) => Head { imported_since: Some(Timestamp::END), ..head },
            _ => head,
        }))
    }
    fn set_head(&mut self, head: &Head) -> Result<(), Unreadable> {
        self.own_mut()?.set_head(head)
    }
    fn append(&mut self, row: &LogRow) -> Result<(), Unreadable> {
        let mut row = row.clone();
        if let Some(narrow) = self
            .narrow
            .filter(|narrow| self.is(Mutation::NarrowerReplacesWider) && narrow.digest == row.logout.widest.digest)
        {
            row.logout.widest = row.logout.widest.within(narrow.limits);
        }
        self.own_mut()?.append(&row)
    }
    fn log_after(&self, version: u64, limit: usize) -> Result<Vec<LogEntry>, Unreadable> {
        self.own()?.log_after(version, limit)
    }
    fn rows_after(&self, version: u64, limit: usize) -> Result<Vec<LogRow>, Unreadable> {
        self.own()?.rows_after(version, limit)
    }
    fn remove_log(&mut self, upto: u64) -> Result<(), Unreadable> {
        self.own_mut()?.remove_log(upto)
    }
    fn lineages(&self) -> Result<Vec<Lineage>, Unreadable> {
        self.own()?.lineages()
    }
    fn add_lineage(&mut self, lineage: Lineage) -> Result<(), Unreadable> {
        if self.is(Mutation::LineageStays) && !self.rows.lineages.is_empty() {
            return Ok(());
        }
        self.own_mut()?.add_lineage(lineage)
    }
    fn remove_lineages(&mut self, before: u64) -> Result<(), Unreadable> {
        self.own_mut()?.remove_lineages(before)
    }
    fn runs(&self) -> Result<Vec<(u64, RunState, Vec<u8>)>, Unreadable> {
        self.own()?.runs()
    }
    fn set_run(&mut self, id: u64, state: RunState, about: &[u8]) -> Result<(), Unreadable> {
        self.own_mut()?.set_run(id, state, about)
    }
    fn remove_run(&mut self, id: u64) -> Result<(), Unreadable> {
        self.own_mut()?.remove_run(id)
    }
    fn block(&self, run: u64, place: u32) -> Result<Option<Vec<u8>>, Unreadable> {
        self.own()?.block(run, place)
    }
    fn add_block(&mut self, run: u64, place: u32, block: &[u8]) -> Result<(), Unreadable> {
        let mut block = block.to_vec();
        if self.is(Mutation::MergeLosesTheWidest) && place < 1 << 16 {
            block = block.chunks(48).flat_map(|entry| self.narrower(entry).unwrap_or_else(|| entry.to_vec())).collect();
        }
        self.own_mut()?.add_block(run, place, &block)
    }
    fn remove_blocks(&mut self, run: u64, limit: usize) -> Result<bool, Unreadable> {
        self.own_mut()?.remove_blocks(run, limit)
    }
    fn cut_offs(&self) -> Result<Vec<LogEntry>, Unreadable> {
        self.own()?.cut_offs()
    }
    fn set_cut_off(&mut self, entry: &LogEntry) -> Result<(), Unreadable> {
        if self.is(Mutation::CutOffsAreNotListed) { Ok(()) } else { self.own_mut()?.set_cut_off(entry) }
    }
    fn remove_cut_off(&mut self, digest: &Digest) -> Result<(), Unreadable> {
        self.own_mut()?.remove_cut_off(digest)
    }
    fn pending(&self, digest: &Digest) -> Result<Option<PendingEntry>, Unreadable> {
        self.own()?.pending(digest)
    }
    fn pending_due(&self, now: Timestamp, limit: usize) -> Result<Vec<PendingEntry>, Unreadable> {
        self.own()?.pending_due(now, limit)
    }
    fn next_pending(&self) -> Result<Option<Timestamp>, Unreadable> {
        self.own()?.next_pending()
    }
    fn set_pending(&mut self, entry: &PendingEntry) -> Result<(), Unreadable> {
        let mut entry = entry.clone();
        let stored = self.rows.pending.get(&entry.revocation.digest);
        if self.is(Mutation::PendingIsNotWidened)
            && let Some(stored) = stored
        {
            entry.revocation = entry.revocation.within(stored.revocation.limits());
        }
        if self.is(Mutation::LateWritesAreIgnored) {
            if entry.uncertain_until == entry.due_at
                && entry.failures == 0
                && entry.due_at > crate::world::BEGIN.plus(std::time::Duration::from_mins(1))
            {
                return self.remove_pending(&entry.revocation.digest);
            }
            entry.uncertain_until = Timestamp::from_millis(0);
        }
        self.own_mut()?.set_pending(&entry)
    }
    fn remove_pending(&mut self, digest: &Digest) -> Result<(), Unreadable> {
        self.own_mut()?.remove_pending(digest)
    }
    fn unreadable(&self) -> Unreadable {
        Unreadable
    }
    fn random(&mut self) -> Result<[u8; 16], Unreadable> {
        self.own_mut()?.random()
    }
    fn size(&self) -> Result<u64, Unreadable> {
        self.own()?.size()
    }
}
