//! Runs: sorted, immutable ranges of revocations, in blocks of at most 64 KB.
//!
//! A run's entries have 48 bytes each: digest, cut-off and expiry, big-endian, so that blocks sort as digests do. After
//! its entries a run has the bytes of its filter.

use super::super::key::Digest;
use super::super::record::{Limits, Scope};
use super::rows::{LogEntry, Rows, RunState};
use super::segment::{Segment, SegmentFilter, SegmentName, checksum};
use super::wire::{Reader, Writer};
use crate::time::Timestamp;

/// The bytes of an entry.
const ENTRY: usize = 48;
/// How many entries a block has: 32 KB.
pub(super) const BLOCK_ENTRIES: usize = 680;
/// How many bytes of a filter are in a block.
const FILTER_BLOCK: usize = 64 * 1024;
/// The first block of the filter; far more blocks than any run has come before it.
const FILTER_PLACE: u32 = 1 << 16;

/// A run and its place in the order of merges.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Run {
    pub id: u64,
    pub level: u8,
    /// When the last of its entries expires.
    pub expires_at: Timestamp,
    pub segment: Segment,
}

impl Run {
    pub fn read(id: u64, about: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(about)?;
        let run =
            Self { id, level: reader.byte()?, expires_at: reader.moment()?, segment: Segment::read(&mut reader)? };
        reader.end(run)
    }

    pub fn write(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.byte(self.level);
        writer.moment(self.expires_at);
        self.segment.write(&mut writer);
        writer.0
    }

    /// Whether two runs have digests of one range.
    pub const fn overlaps(&self, first: u64, last: u64) -> bool {
        self.segment.first <= last && first <= self.segment.last
    }

    fn blocks(&self) -> u32 {
        let block = u32::try_from(BLOCK_ENTRIES).unwrap_or(1);
        self.segment.entries.div_ceil(block)
    }

    /// The entry of a digest. Digests are evenly spread, so where it must be is known to a block or two.
    pub fn find<R: Rows>(&self, rows: &R, digest: &Digest) -> Result<Option<LogEntry>, R::Error> {
        let key = digest.prefix().filter_key();
        if !self.segment.spans(key) {
            return Ok(None);
        }
        let (mut low, mut high) = (0, self.blocks());
        let mut place = self.guess(key);
        let mut is_guess = true;
        while low < high {
            let block = rows.block(self.id, place)?.ok_or_else(|| rows.unreadable())?;
            let (first, last) =
                (entry_at(&block, 0), entry_at(&block, block.len().wrapping_div(ENTRY).saturating_sub(1)));
            match (first, last) {
                (Some(first), _) if *digest < first.digest => high = place,
                (_, Some(last)) if *digest > last.digest => low = place.saturating_add(1),
                _ => return Ok(find_in(&block, digest)),
            }
            // Mostly the next block has it. Somebody may have made digests that are not evenly spread: halves then.
            let middle = low.saturating_add(high.saturating_sub(low) / 2);
            let nearest = place.clamp(low, high.saturating_sub(1).max(low));
            place = if is_guess { nearest } else { middle };
            is_guess = false;
        }
        Ok(None)
    }

    fn guess(&self, key: u64) -> u32 {
        let (first, last) = (self.segment.first, self.segment.last);
        let share = u128::from(key.saturating_sub(first)).saturating_mul(self.blocks().into());
        let place = share.checked_div(u128::from(last.saturating_sub(first)).saturating_add(1)).unwrap_or(0);
        u32::try_from(place).unwrap_or(0).min(self.blocks().saturating_sub(1))
    }

    /// The bytes of its filter.
    pub fn filter<R: Rows>(&self, rows: &R) -> Result<Vec<u8>, R::Error> {
        let mut filter = Vec::new();
        for place in FILTER_PLACE.. {
            match rows.block(self.id, place)? {
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

/// The entry at a place of a block. Whose scope it is does not matter any more.
fn entry_at(block: &[u8], place: usize) -> Option<LogEntry> {
    let bytes = block.get(place.checked_mul(ENTRY)?..)?.first_chunk::<ENTRY>()?;
    let (digest, rest) = bytes.split_first_chunk::<32>()?;
    let (cut_off, expires_at) = rest.split_first_chunk::<8>()?;
    let moment = |bytes: [u8; 8]| Timestamp::from_millis(i64::from_be_bytes(bytes));
    let cut_off = Some(moment(*cut_off)).filter(|cut_off| *cut_off != Timestamp::END);
    let limits = Limits { cut_off, expires_at: moment(*expires_at.first_chunk()?) };
    Some(LogEntry { digest: Digest::from_bytes(*digest), limits, scope: Scope::Session })
}

fn find_in(block: &[u8], digest: &Digest) -> Option<LogEntry> {
    let (entries, _) = block.as_chunks::<ENTRY>();
    let place = entries.binary_search_by(|entry| entry.get(..32).cmp(&Some(digest.bytes().as_slice()))).ok()?;
    entry_at(block, place)
}

/// Reads the entries of runs whose ranges follow each other, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct RunReader {
    /// The runs that are left, the last one first.
    runs: Vec<Run>,
    /// The block of the last of them that is read next.
    place: u32,
    block: Vec<u8>,
    next: usize,
}

impl RunReader {
    pub fn new(mut runs: Vec<Run>) -> Self {
        runs.sort_unstable_by_key(|run| std::cmp::Reverse(run.segment.first));
        Self { runs, place: 0, block: Vec::new(), next: 0 }
    }

    /// The next entry, without moving on.
    pub fn peek<R: Rows>(&mut self, rows: &R) -> Result<Option<LogEntry>, R::Error> {
        loop {
            if let Some(entry) = entry_at(&self.block, self.next) {
                return Ok(Some(entry));
            }
            let Some(run) = self.runs.last() else { return Ok(None) };
            self.next = 0;
            if self.place < run.blocks() {
                self.block = rows.block(run.id, self.place)?.ok_or_else(|| rows.unreadable())?;
                self.place = self.place.saturating_add(1);
            } else {
                self.runs.pop();
                self.place = 0;
                self.block.clear();
            }
        }
    }

    pub fn advance(&mut self) {
        self.next = self.next.saturating_add(1);
    }
}

/// Writes sorted entries into runs of a limited size.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct RunWriter {
    level: u8,
    /// The highest version that may be among the entries.
    upto: u64,
    most: usize,
    block: Vec<u8>,
    place: u32,
    keys: Vec<u64>,
    /// The entry that was added last, and may still be widened.
    held: Option<LogEntry>,
    expires_at: Timestamp,
    /// The run that is written now.
    id: u64,
    /// The runs that are finished.
    pub finished: Vec<Run>,
}

impl RunWriter {
    pub const fn new(first_id: u64, level: u8, upto: u64, most: usize) -> Self {
        Self {
            level,
            upto,
            most,
            block: Vec::new(),
            place: 0,
            keys: Vec::new(),
            held: None,
            expires_at: Timestamp::from_millis(i64::MIN),
            id: first_id,
            finished: Vec::new(),
        }
    }

    /// Adds an entry, not before those that were added already. Whether it has finished a run, which takes its time.
    pub fn add<R: Rows>(&mut self, entry: &LogEntry, rows: &mut R) -> Result<bool, R::Error> {
        let held = match self.held {
            Some(held) if held.digest == entry.digest => {
                self.held = Some(held.widened_by(entry));
                return Ok(false);
            }
            held => held,
        };
        self.held = Some(*entry);
        let Some(held) = held else { return Ok(false) };
        self.put(&held, rows)?;
        // Digests that begin alike stay in one run, so that ranges never overlap.
        let is_full = self.keys.len() >= self.most && self.keys.last() != Some(&entry.digest.prefix().filter_key());
        if is_full {
            self.finish_run(rows)?;
        }
        Ok(is_full)
    }

    /// Finishes the last run.
    pub fn finish<R: Rows>(&mut self, rows: &mut R) -> Result<(), R::Error> {
        if let Some(held) = self.held.take() {
            self.put(&held, rows)?;
        }
        if self.keys.is_empty() { Ok(()) } else { self.finish_run(rows) }
    }

    fn put<R: Rows>(&mut self, entry: &LogEntry, rows: &mut R) -> Result<(), R::Error> {
        if self.keys.is_empty() {
            // What an unfinished run has stored is found and removed after a restart.
            rows.set_run(self.id, RunState::Unfinished, &[])?;
        }
        self.keys.push(entry.digest.prefix().filter_key());
        self.expires_at = self.expires_at.max(entry.limits.expires_at);
        write_entry(entry, &mut self.block);
        if self.block.len() >= BLOCK_ENTRIES.saturating_mul(ENTRY) { self.flush(rows) } else { Ok(()) }
    }

    fn flush<R: Rows>(&mut self, rows: &mut R) -> Result<(), R::Error> {
        if !self.block.is_empty() {
            rows.add_block(self.id, self.place, &self.block)?;
            self.place = self.place.saturating_add(1);
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
        for (place, block) in (FILTER_PLACE..).zip(filter.chunks(FILTER_BLOCK)) {
            rows.add_block(self.id, place, block)?;
        }
        let name = SegmentName(rows.random()?);
        let segment = Segment { name, first, last, upto: self.upto, entries, checksum: checksum(&filter) };
        let run = Run { id: self.id, level: self.level, expires_at: self.expires_at, segment };
        rows.set_run(run.id, RunState::Unfinished, &run.write())?;
        self.finished.push(run);
        self.id = self.id.saturating_add(1);
        self.place = 0;
        self.expires_at = Timestamp::from_millis(i64::MIN);
        Ok(())
    }
}
