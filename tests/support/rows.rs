//! The database of a shard in memory.

use std::collections::BTreeMap;

use edge_logout::revocation::Digest;
use edge_logout::revocation::ledger::{Head, LONGEST_WAIT, Lineage, LogEntry, LogRow, PendingEntry, Rows, RunState};
use edge_logout::time::Timestamp;

/// Maps in the place of tables. A clone is a backup, or what another start of the object finds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MemoryRows {
    /// The head as it was stored.
    pub head: Option<Head>,
    /// The log.
    pub log: BTreeMap<u64, LogRow>,
    /// The lineages by their first versions.
    pub lineages: BTreeMap<u64, u64>,
    /// The runs.
    pub runs: BTreeMap<u64, (RunState, Vec<u8>)>,
    /// The blocks of runs.
    pub blocks: BTreeMap<(u64, u32), Vec<u8>>,
    /// The cut-offs of issuers.
    pub cut_offs: BTreeMap<Digest, LogEntry>,
    /// The pending entries.
    pub pending: BTreeMap<Digest, PendingEntry>,
    /// How many rows were written, as Cloudflare counts them.
    pub written: u64,
    /// What the next random number is made of.
    pub seed: u64,
}

/// The error of a database in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl MemoryRows {
    fn wrote(&mut self, rows: usize) {
        self.written += rows as u64;
    }
}

impl Rows for MemoryRows {
    type Error = Unreadable;

    fn head(&self) -> Result<Option<Head>, Unreadable> {
        let Some(head) = &self.head else { return Ok(None) };
        let latest = self.log.keys().next_back().map_or(head.sealed, |version| *version);
        let lineage = self.lineages.values().next_back().map_or(0, |id| *id);
        Ok(Some(Head { latest, lineage, ..head.clone() }))
    }

    fn set_head(&mut self, head: &Head) -> Result<(), Unreadable> {
        // As the tables have them, so that equal databases are equal.
        self.head = Some(Head { latest: 0, lineage: 0, ..head.clone() });
        self.wrote(1);
        Ok(())
    }

    fn append(&mut self, row: &LogRow) -> Result<(), Unreadable> {
        self.wrote(1);
        let before = self.log.insert(row.version, row.clone());
        if before.is_some() { Err(Unreadable) } else { Ok(()) }
    }

    fn log_after(&self, version: u64, limit: usize) -> Result<Vec<LogEntry>, Unreadable> {
        Ok(self.log.range(version + 1..).take(limit).map(|(_, row)| LogEntry::of(&row.logout.widest)).collect())
    }

    fn rows_after(&self, version: u64, limit: usize) -> Result<Vec<LogRow>, Unreadable> {
        Ok(self.log.range(version + 1..).take(limit).map(|(_, row)| row.clone()).collect())
    }

    fn remove_log(&mut self, upto: u64) -> Result<(), Unreadable> {
        let before = self.log.len();
        self.log.retain(|version, _| *version > upto);
        self.wrote(before - self.log.len());
        Ok(())
    }

    fn lineages(&self) -> Result<Vec<Lineage>, Unreadable> {
        Ok(self.lineages.iter().map(|(first, id)| Lineage { first: *first, id: *id }).collect())
    }

    fn add_lineage(&mut self, lineage: Lineage) -> Result<(), Unreadable> {
        self.lineages.insert(lineage.first, lineage.id);
        self.wrote(1);
        Ok(())
    }

    fn remove_lineages(&mut self, before: u64) -> Result<(), Unreadable> {
        let count = self.lineages.len();
        self.lineages.retain(|first, _| *first >= before);
        self.wrote(count - self.lineages.len());
        Ok(())
    }

    fn runs(&self) -> Result<Vec<(u64, RunState, Vec<u8>)>, Unreadable> {
        Ok(self.runs.iter().map(|(id, (state, about))| (*id, *state, about.clone())).collect())
    }

    fn set_run(&mut self, id: u64, state: RunState, about: &[u8]) -> Result<(), Unreadable> {
        self.runs.insert(id, (state, about.to_vec()));
        self.wrote(1);
        Ok(())
    }

    fn remove_run(&mut self, id: u64) -> Result<(), Unreadable> {
        self.runs.remove(&id);
        self.wrote(1);
        Ok(())
    }

    fn block(&self, run: u64, place: u32) -> Result<Option<Vec<u8>>, Unreadable> {
        Ok(self.blocks.get(&(run, place)).cloned())
    }

    fn add_block(&mut self, run: u64, place: u32, block: &[u8]) -> Result<(), Unreadable> {
        assert!(block.len() <= 64 * 1024, "{}", block.len());
        self.wrote(1);
        let before = self.blocks.insert((run, place), block.to_vec());
        if before.is_some() { Err(Unreadable) } else { Ok(()) }
    }

    fn remove_blocks(&mut self, run: u64, limit: usize) -> Result<bool, Unreadable> {
        let keys: Vec<_> = self.blocks.range((run, 0)..=(run, u32::MAX)).take(limit).map(|(key, _)| *key).collect();
        self.wrote(keys.len());
        for key in &keys {
            self.blocks.remove(key);
        }
        Ok(self.blocks.range((run, 0)..=(run, u32::MAX)).next().is_none())
    }

    fn cut_offs(&self) -> Result<Vec<LogEntry>, Unreadable> {
        Ok(self.cut_offs.values().copied().collect())
    }

    fn set_cut_off(&mut self, entry: &LogEntry) -> Result<(), Unreadable> {
        self.cut_offs.insert(entry.digest, *entry);
        self.wrote(1);
        Ok(())
    }

    fn remove_cut_off(&mut self, digest: &Digest) -> Result<(), Unreadable> {
        self.cut_offs.remove(digest);
        self.wrote(1);
        Ok(())
    }

    fn pending(&self, digest: &Digest) -> Result<Option<PendingEntry>, Unreadable> {
        Ok(self.pending.get(digest).cloned())
    }

    fn pending_due(&self, now: Timestamp, limit: usize) -> Result<Vec<PendingEntry>, Unreadable> {
        let is_due = |entry: &&PendingEntry| entry.due_at <= now || entry.due_at > now.plus(LONGEST_WAIT);
        let mut due: Vec<_> = self.pending.values().filter(is_due).cloned().collect();
        due.sort_by_key(|entry| entry.due_at);
        due.truncate(limit);
        Ok(due)
    }

    fn next_pending(&self) -> Result<Option<Timestamp>, Unreadable> {
        Ok(self.pending.values().map(|entry| entry.due_at).min())
    }

    fn set_pending(&mut self, entry: &PendingEntry) -> Result<(), Unreadable> {
        self.pending.insert(entry.revocation.digest, entry.clone());
        self.wrote(2);
        Ok(())
    }

    fn remove_pending(&mut self, digest: &Digest) -> Result<(), Unreadable> {
        self.pending.remove(digest);
        self.wrote(2);
        Ok(())
    }

    fn unreadable(&self) -> Unreadable {
        Unreadable
    }

    fn random(&mut self) -> Result<[u8; 16], Unreadable> {
        self.seed += 1;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&(self.seed << 12).to_le_bytes());
        bytes[8..].copy_from_slice(&self.seed.to_le_bytes());
        Ok(bytes)
    }

    fn size(&self) -> Result<u64, Unreadable> {
        Ok(self.blocks.values().map(|block| block.len() as u64).sum::<u64>() + 130 * self.log.len() as u64)
    }
}
