//! Sealing the log into runs, and merging runs, bit by bit.
//!
//! Level 0 has the runs that were sealed last. From level 1 on the runs of a level have ranges that do not overlap, and
//! every level holds eight times as much as the one above. So a digest is in two runs of level 0 and one of each other
//! level at most: seven for 25 million revocations.

use super::super::record::Scope;
use super::log::RecentLog;
use super::rows::{LogEntry, Rows, RunState};
use super::run::{Run, RunReader, RunWriter};
use super::segment::SegmentName;
use crate::time::Timestamp;

/// How large levels and runs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sizes {
    /// The log is sealed when it has so many entries.
    pub sealed: usize,
    /// The most entries of a run.
    pub run: usize,
    /// How many entries are merged at once, before others are answered.
    pub slice: usize,
    /// The most entries in one answer.
    pub page: usize,
}

impl Sizes {
    /// The sizes of a real ledger.
    pub const DEFAULT: Self = Self { sealed: 4_096, run: 131_072, slice: 8_192, page: 4_000 };

    /// How many entries a level holds before some of them move to the next one.
    fn of_level(self, level: u8) -> usize {
        self.sealed.saturating_mul(8_usize.saturating_pow(level.into()))
    }
}

/// Level 0 is merged when it has so many runs.
const LEVEL_0_RUNS: usize = 2;
/// How many blocks are removed at once.
const REMOVED_AT_ONCE: usize = 64;

/// A change of the runs that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Job {
    /// The runs that are replaced.
    inputs: Vec<u64>,
    /// Up to which version the log is sealed, when it is.
    pub seals_upto: Option<u64>,
    readers: Vec<RunReader>,
    writer: RunWriter,
    is_read: bool,
    /// How many of the finished runs are published.
    published: usize,
}

/// The filter of a finished run that is to be published.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Publication {
    /// Its name.
    pub name: SegmentName,
    /// Its bytes.
    pub filter: Vec<u8>,
    /// When nobody asks for it any more.
    pub expires_at: Timestamp,
}

impl Job {
    /// Seals the log up to a version, without what is over. Cut-offs of issuers are not put in runs.
    pub fn seal<R: Rows>(
        rows: &mut R,
        runs: &[Run],
        recent: &RecentLog,
        upto: u64,
        sizes: Sizes,
        now: Timestamp,
    ) -> Result<Self, R::Error> {
        let count = recent.len().saturating_sub(usize::try_from(recent.latest().saturating_sub(upto)).unwrap_or(0));
        let is_kept = |entry: &&LogEntry| entry.scope != Scope::Issuer && !entry.is_over(now);
        let mut entries: Vec<LogEntry> = recent.iter().take(count).filter(is_kept).copied().collect();
        entries.sort_unstable();
        let mut writer = RunWriter::new(next_id(runs), 0, upto, sizes.run);
        for entry in &entries {
            writer.add(entry, rows)?;
        }
        writer.finish(rows)?;
        Ok(Self {
            inputs: Vec::new(),
            seals_upto: Some(upto),
            readers: Vec::new(),
            writer,
            is_read: true,
            published: 0,
        })
    }

    /// The merge that is due, `None` when every level is small enough.
    pub fn merge(runs: &[Run], sizes: Sizes) -> Option<Self> {
        let of_level = |level: u8| runs.iter().filter(move |run| run.level == level);
        let entries = |level| of_level(level).fold(0_usize, |sum, run| sum.saturating_add(count(run)));
        let deepest = runs.iter().map(|run| run.level).max()?;
        let is_full = |level: &u8| match level {
            0 => of_level(0).count() >= LEVEL_0_RUNS,
            level => entries(*level) > sizes.of_level(*level),
        };
        let level = (0..=deepest).find(is_full)?;
        let upper: Vec<&Run> = match level {
            0 => of_level(0).collect(),
            // The one whose entries are oldest, since most of them are over.
            level => of_level(level).min_by_key(|run| run.segment.upto).into_iter().collect(),
        };
        let first = upper.iter().map(|run| run.segment.first).min()?;
        let last = upper.iter().map(|run| run.segment.last).max()?;
        let below = level.saturating_add(1);
        let lower: Vec<Run> = of_level(below).filter(|run| run.overlaps(first, last)).cloned().collect();
        let upto = upper.iter().copied().chain(&lower).map(|run| run.segment.upto).max()?;
        let inputs = upper.iter().copied().chain(&lower).map(|run| run.id).collect();
        let mut readers: Vec<_> = upper.into_iter().map(|run| RunReader::new(vec![run.clone()])).collect();
        readers.push(RunReader::new(lower));
        let writer = RunWriter::new(next_id(runs), below, upto, sizes.run);
        Some(Self { inputs, seals_upto: None, readers, writer, is_read: false, published: 0 })
    }

    /// Merges some entries. Whether all of them are merged by now.
    pub fn advance<R: Rows>(&mut self, rows: &mut R, sizes: Sizes, now: Timestamp) -> Result<bool, R::Error> {
        for _ in 0..sizes.slice {
            if self.is_read {
                break;
            }
            match self.next(rows)? {
                Some(entry) if entry.is_over(now) => {}
                // Making a filter takes as long as a slice.
                Some(entry) => {
                    if self.writer.add(&entry, rows)? {
                        break;
                    }
                }
                None => {
                    self.writer.finish(rows)?;
                    self.is_read = true;
                }
            }
        }
        Ok(self.is_read)
    }

    fn next<R: Rows>(&mut self, rows: &R) -> Result<Option<LogEntry>, R::Error> {
        let mut least: Option<(LogEntry, usize)> = None;
        for (place, reader) in self.readers.iter_mut().enumerate() {
            if let Some(entry) = reader.peek(rows)?
                && least.is_none_or(|(least, _)| entry.digest < least.digest)
            {
                least = Some((entry, place));
            }
        }
        let Some((entry, place)) = least else { return Ok(None) };
        if let Some(reader) = self.readers.get_mut(place) {
            reader.advance();
        }
        Ok(Some(entry))
    }

    /// The next filter to publish, once everything is merged.
    pub fn publication<R: Rows>(&mut self, rows: &R) -> Result<Option<Publication>, R::Error> {
        let Some(run) = self.writer.finished.get(self.published) else { return Ok(None) };
        self.published = self.published.saturating_add(1);
        let expires_at = run.expires_at.plus(super::KEPT_AFTER_EXPIRY);
        Ok(Some(Publication { name: run.segment.name, filter: run.filter(rows)?, expires_at }))
    }

    /// Puts the new runs in the place of the old ones.
    pub fn adopt<R: Rows>(self, rows: &mut R, runs: &mut Vec<Run>) -> Result<(), R::Error> {
        for run in runs.iter().filter(|run| self.inputs.contains(&run.id)) {
            rows.set_run(run.id, RunState::Removed, &run.write())?;
        }
        runs.retain(|run| !self.inputs.contains(&run.id));
        for run in self.writer.finished {
            rows.set_run(run.id, RunState::Live, &run.write())?;
            runs.push(run);
        }
        Ok(())
    }
}

fn count(run: &Run) -> usize {
    usize::try_from(run.segment.entries).unwrap_or(usize::MAX)
}

/// Ids only grow while an object lives; what is left of an unfinished run is removed before the next job begins.
fn next_id(runs: &[Run]) -> u64 {
    runs.iter().map(|run| run.id).max().unwrap_or(0).saturating_add(1)
}

/// Removes some blocks of runs that are not live. Whether there was anything to remove.
pub(super) fn remove_some<R: Rows>(rows: &mut R) -> Result<bool, R::Error> {
    let found = rows.runs()?.into_iter().find(|(_, state, _)| *state != RunState::Live);
    let Some((id, _, _)) = found else { return Ok(false) };
    if rows.remove_blocks(id, REMOVED_AT_ONCE)? {
        rows.remove_run(id)?;
    }
    Ok(true)
}
