//! Runs: sorted, immutable sequences of revocations, stored in blocks of at most 64 KB.
//!
//! An entry has 48 bytes: the digest, then the cut-off and the expiry in milliseconds, both big-endian. Entries are
//! ordered by digest. The blocks of the filter follow those of the entries.

use super::super::key::Digest;
use super::super::record::{Limits, Scope};
use super::rows::{LogEntry, Rows, RunState};
use super::segment::{Segment, SegmentFilter, SegmentName, checksum};
use super::wire::{Reader, Writer};
use crate::time::Timestamp;

/// The size of an entry, in bytes.
const ENTRY_BYTES: usize = 48;
/// How many entries a block has, about 32 KB.
pub(super) const BLOCK_ENTRIES: usize = 680;
/// The size of a filter block, in bytes.
const FILTER_BLOCK_BYTES: usize = 64 * 1024;
/// The index of the first filter block. No run has that many entry blocks.
const FIRST_FILTER_BLOCK: u32 = 1 << 16;

/// A run and its level in the merge tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Run {
    pub id: u64,
    pub level: u8,
    /// The latest expiry of its entries.
    pub expires_at: Timestamp,
    pub segment: Segment,
}

impl Run {
    pub fn read(id: u64, about: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(about)?;
        let run =
            Self { id, level: reader.byte()?, expires_at: reader.timestamp()?, segment: Segment::read(&mut reader)? };
        reader.finish(run)
    }

    pub fn write(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.byte(self.level);
        writer.timestamp(self.expires_at);
        self.segment.write(&mut writer);
        writer.0
    }

    /// Whether the run's range of filter keys overlaps `first..=last`.
    pub const fn overlaps(&self, first: u64, last: u64) -> bool {
        self.segment.first <= last && first <= self.segment.last
    }

    fn blocks(&self) -> u32 {
        let block = u32::try_from(BLOCK_ENTRIES).unwrap_or(1);
        self.segment.entries.div_ceil(block)
    }

    /// Finds the entry of a digest by interpolation search: digests are uniformly distributed, so the estimate is
    /// usually off by at most one block.
    pub fn find<R: Rows>(&self, rows: &R, digest: &Digest) -> Result<Option<LogEntry>, R::Error> {
        let key = digest.prefix().filter_key();
        if !self.segment.spans(key) {
            return Ok(None);
        }
        let (mut low, mut high) = (0, self.blocks());
        let mut index = self.estimate_block(key);
        let mut is_estimate = true;
        while low < high {
            let block = rows.block(self.id, index)?.ok_or_else(|| rows.unreadable())?;
            let (first, last) =
                (entry_at(&block, 0), entry_at(&block, block.len().wrapping_div(ENTRY_BYTES).saturating_sub(1)));
            match (first, last) {
                (Some(first), _) if *digest < first.digest => high = index,
                (_, Some(last)) if *digest > last.digest => low = index.saturating_add(1),
                _ => return Ok(find_in(&block, digest)),
            }
            // Try the neighbouring block, then fall back to binary search: digests may have been chosen by an attacker.
            let middle = low.saturating_add(high.saturating_sub(low) / 2);
            let nearest = index.clamp(low, high.saturating_sub(1).max(low));
            index = if is_estimate { nearest } else { middle };
            is_estimate = false;
        }
        Ok(None)
    }

    fn estimate_block(&self, key: u64) -> u32 {
        let (first, last) = (self.segment.first, self.segment.last);
        let share = u128::from(key.saturating_sub(first)).saturating_mul(self.blocks().into());
        let index = share.checked_div(u128::from(last.saturating_sub(first)).saturating_add(1)).unwrap_or(0);
        u32::try_from(index).unwrap_or(0).min(self.blocks().saturating_sub(1))
    }

    /// Reads the encoded filter.
    pub fn filter<R: Rows>(&self, rows: &R) -> Result<Vec<u8>, R::Error> {
        let mut filter = Vec::new();
        for index in FIRST_FILTER_BLOCK.. {
            match rows.block(self.id, index)? {
                Some(block) => filter.extend(block),
                None => break,
            }
        }
        Ok(filter)
    }
}

fn write_entry(entry: &LogEntry, block: &mut Vec<u8>) {
    block.extend_from_slice(entry.digest.bytes());
    block.extend_from_slice(&entry.limits.cut_off.unwrap_or(Timestamp::END).as_millis().to_be_bytes());
    block.extend_from_slice(&entry.limits.expires_at.as_millis().to_be_bytes());
}

/// Decodes the entry at an index of a block. Runs do not store scopes, which lookups ignore; the result has a
/// placeholder.
fn entry_at(block: &[u8], index: usize) -> Option<LogEntry> {
    let bytes = block.get(index.checked_mul(ENTRY_BYTES)?..)?.first_chunk::<ENTRY_BYTES>()?;
    let (digest, rest) = bytes.split_first_chunk::<32>()?;
    let (cut_off, expires_at) = rest.split_first_chunk::<8>()?;
    let moment = |bytes: [u8; 8]| Timestamp::from_millis(i64::from_be_bytes(bytes));
    let cut_off = Some(moment(*cut_off)).filter(|cut_off| *cut_off != Timestamp::END);
    let limits = Limits { cut_off, expires_at: moment(*expires_at.first_chunk()?) };
    Some(LogEntry { digest: Digest::from_bytes(*digest), limits, scope: Scope::Session })
}

fn find_in(block: &[u8], digest: &Digest) -> Option<LogEntry> {
    let (entries, _) = block.as_chunks::<ENTRY_BYTES>();
    let index = entries.binary_search_by(|entry| entry.get(..32).cmp(&Some(digest.bytes().as_slice()))).ok()?;
    entry_at(block, index)
}

/// Iterates over the entries of several runs whose ranges do not overlap, in order of digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct RunReader {
    /// The remaining runs in reverse order.
    runs: Vec<Run>,
    /// The next block to read of the current run.
    index: u32,
    block: Vec<u8>,
    next: usize,
}

impl RunReader {
    pub fn new(mut runs: Vec<Run>) -> Self {
        runs.sort_unstable_by_key(|run| std::cmp::Reverse(run.segment.first));
        Self { runs, index: 0, block: Vec::new(), next: 0 }
    }

    /// Returns the next entry without consuming it.
    pub fn peek<R: Rows>(&mut self, rows: &R) -> Result<Option<LogEntry>, R::Error> {
        loop {
            if let Some(entry) = entry_at(&self.block, self.next) {
                return Ok(Some(entry));
            }
            let Some(run) = self.runs.last() else { return Ok(None) };
            self.next = 0;
            if self.index < run.blocks() {
                self.block = rows.block(run.id, self.index)?.ok_or_else(|| rows.unreadable())?;
                self.index = self.index.saturating_add(1);
            } else {
                self.runs.pop();
                self.index = 0;
                self.block.clear();
            }
        }
    }

    pub fn advance(&mut self) {
        self.next = self.next.saturating_add(1);
    }
}

/// Writes sorted entries into runs of limited length.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct RunWriter {
    level: u8,
    /// The highest version among the entries.
    upto: u64,
    max_entries: usize,
    block: Vec<u8>,
    index: u32,
    keys: Vec<u64>,
    /// The last added entry. It is written once an entry with another digest follows.
    last_entry: Option<LogEntry>,
    expires_at: Timestamp,
    /// The id of the run being written.
    id: u64,
    /// The finished runs.
    pub finished: Vec<Run>,
}

impl RunWriter {
    pub const fn new(first_id: u64, level: u8, upto: u64, max_entries: usize) -> Self {
        Self {
            level,
            upto,
            max_entries,
            block: Vec::new(),
            index: 0,
            keys: Vec::new(),
            last_entry: None,
            expires_at: Timestamp::from_millis(i64::MIN),
            id: first_id,
            finished: Vec::new(),
        }
    }

    /// Adds an entry. Entries must be sorted by digest. Returns whether this finished a run, which is expensive because
    /// it builds the filter.
    pub fn add<R: Rows>(&mut self, entry: &LogEntry, rows: &mut R) -> Result<bool, R::Error> {
        let last_entry = match self.last_entry {
            Some(last_entry) if last_entry.digest == entry.digest => {
                self.last_entry = Some(last_entry.widened_by(entry));
                return Ok(false);
            }
            last_entry => last_entry,
        };
        self.last_entry = Some(*entry);
        let Some(last_entry) = last_entry else { return Ok(false) };
        self.write(&last_entry, rows)?;
        // Digests with the same filter key stay in one run, so that ranges do not overlap.
        let is_full =
            self.keys.len() >= self.max_entries && self.keys.last() != Some(&entry.digest.prefix().filter_key());
        if is_full {
            self.finish_run(rows)?;
        }
        Ok(is_full)
    }

    /// Finishes the last run.
    pub fn finish<R: Rows>(&mut self, rows: &mut R) -> Result<(), R::Error> {
        if let Some(last_entry) = self.last_entry.take() {
            self.write(&last_entry, rows)?;
        }
        if self.keys.is_empty() { Ok(()) } else { self.finish_run(rows) }
    }

    fn write<R: Rows>(&mut self, entry: &LogEntry, rows: &mut R) -> Result<(), R::Error> {
        if self.keys.is_empty() {
            // Register the run first: after a restart its blocks are found and removed.
            rows.set_run(self.id, RunState::Unfinished, &[])?;
        }
        self.keys.push(entry.digest.prefix().filter_key());
        self.expires_at = self.expires_at.max(entry.limits.expires_at);
        write_entry(entry, &mut self.block);
        if self.block.len() >= BLOCK_ENTRIES.saturating_mul(ENTRY_BYTES) { self.flush(rows) } else { Ok(()) }
    }

    fn flush<R: Rows>(&mut self, rows: &mut R) -> Result<(), R::Error> {
        if !self.block.is_empty() {
            rows.add_block(self.id, self.index, &self.block)?;
            self.index = self.index.saturating_add(1);
            self.block.clear();
        }
        Ok(())
    }

    fn finish_run<R: Rows>(&mut self, rows: &mut R) -> Result<(), R::Error> {
        self.flush(rows)?;
        let keys = std::mem::take(&mut self.keys);
        let (first, last) = (keys.first().copied().unwrap_or(0), keys.last().copied().unwrap_or(0));
        let entries = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        let filter = SegmentFilter::build(keys).write();
        for (index, block) in (FIRST_FILTER_BLOCK..).zip(filter.chunks(FILTER_BLOCK_BYTES)) {
            rows.add_block(self.id, index, block)?;
        }
        let name = SegmentName(rows.random()?);
        let segment = Segment { name, first, last, upto: self.upto, entries, checksum: checksum(&filter) };
        let run = Run { id: self.id, level: self.level, expires_at: self.expires_at, segment };
        rows.set_run(run.id, RunState::Unfinished, &run.write())?;
        self.finished.push(run);
        self.id = self.id.saturating_add(1);
        self.index = 0;
        self.expires_at = Timestamp::from_millis(i64::MIN);
        Ok(())
    }
}
