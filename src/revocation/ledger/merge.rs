//! Seals the log into runs and merges runs, in small steps: a log-structured merge tree.
//!
//! Level 0 has the most recently sealed runs. In every other level the ranges of the runs do not overlap, and each
//! level holds eight times as many entries as the level above. A digest is therefore in the range of at most two runs
//! of level 0 and one run of each other level.

use super::super::record::Scope;
use super::log::RecentLog;
use super::rows::{LogEntry, Rows, RunState};
use super::run::{Run, RunReader, RunWriter};
use super::segment::SegmentName;
use crate::time::Timestamp;

/// The sizes of levels, runs, steps and pages, in entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sizes {
    /// The log is sealed when it has this many entries.
    pub sealed: usize,
    /// The maximum length of a run.
    pub run: usize,
    /// How many entries one step merges. The object answers calls between steps.
    pub slice: usize,
    /// The maximum number of entries in one answer.
    pub page: usize,
}

impl Sizes {
    /// The sizes used in production.
    pub const DEFAULT: Self = Self { sealed: 4_096, run: 131_072, slice: 8_192, page: 4_000 };

    /// How many entries a level may hold before a run is merged into the next level.
    fn level_capacity(self, level: u8) -> usize {
        self.sealed.saturating_mul(8_usize.saturating_pow(level.into()))
    }
}

/// Level 0 is merged when it has this many runs.
const LEVEL_0_RUNS: usize = 2;
/// How many blocks one step removes.
const REMOVED_PER_STEP: usize = 64;

/// A seal or a merge in progress.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Job {
    /// The ids of the runs that the job replaces.
    inputs: Vec<u64>,
    /// For a seal: the last version that it covers.
    pub seals_upto: Option<u64>,
    readers: Vec<RunReader>,
    writer: RunWriter,
    has_read_all: bool,
    /// How many of the finished runs have been handed out for publication.
    published: usize,
}

/// A segment to publish: the filter of a finished run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Publication {
    /// The name of the segment.
    pub name: SegmentName,
    /// The encoded filter.
    pub filter: Vec<u8>,
    /// When the segment is no longer used.
    pub expires_at: Timestamp,
}

impl Job {
    /// Seals the log up to a version. Expired entries are left out, and issuer cut-offs, which every directory lists.
    pub fn seal<R: Rows>(
        rows: &mut R,
        runs: &[Run],
        recent: &RecentLog,
        upto: u64,
        sizes: Sizes,
        now: Timestamp,
    ) -> Result<Self, R::Error> {
        let count = recent.len().saturating_sub(usize::try_from(recent.latest().saturating_sub(upto)).unwrap_or(0));
        let belongs_in_run = |entry: &&LogEntry| entry.scope != Scope::Issuer && !entry.is_over(now);
        let mut entries: Vec<LogEntry> = recent.iter().take(count).filter(belongs_in_run).copied().collect();
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
            has_read_all: true,
            published: 0,
        })
    }

    /// The next merge; `None` when no level is full.
    pub fn merge(runs: &[Run], sizes: Sizes) -> Option<Self> {
        let at_level = |level: u8| runs.iter().filter(move |run| run.level == level);
        let entries = |level| at_level(level).fold(0_usize, |sum, run| sum.saturating_add(count(run)));
        let deepest = runs.iter().map(|run| run.level).max()?;
        let is_full = |level: &u8| match level {
            0 => at_level(0).count() >= LEVEL_0_RUNS,
            level => entries(*level) > sizes.level_capacity(*level),
        };
        let level = (0..=deepest).find(is_full)?;
        let upper: Vec<&Run> = match level {
            0 => at_level(0).collect(),
            // The run with the oldest entries: most of them have expired.
            level => at_level(level).min_by_key(|run| run.segment.upto).into_iter().collect(),
        };
        let first = upper.iter().map(|run| run.segment.first).min()?;
        let last = upper.iter().map(|run| run.segment.last).max()?;
        let below = level.saturating_add(1);
        let lower: Vec<Run> = at_level(below).filter(|run| run.overlaps(first, last)).cloned().collect();
        let upto = upper.iter().copied().chain(&lower).map(|run| run.segment.upto).max()?;
        let inputs = upper.iter().copied().chain(&lower).map(|run| run.id).collect();
        let mut readers: Vec<_> = upper.into_iter().map(|run| RunReader::new(vec![run.clone()])).collect();
        readers.push(RunReader::new(lower));
        let writer = RunWriter::new(next_id(runs), below, upto, sizes.run);
        Some(Self { inputs, seals_upto: None, readers, writer, has_read_all: false, published: 0 })
    }

    /// Merges up to `sizes.slice` entries. Returns whether the job has read all of its input.
    pub fn advance<R: Rows>(&mut self, rows: &mut R, sizes: Sizes, now: Timestamp) -> Result<bool, R::Error> {
        for _ in 0..sizes.slice {
            if self.has_read_all {
                break;
            }
            match self.next(rows)? {
                Some(entry) if entry.is_over(now) => {}
                // `add` has built a filter, which takes as long as a whole step.
                Some(entry) => {
                    if self.writer.add(&entry, rows)? {
                        break;
                    }
                }
                None => {
                    self.writer.finish(rows)?;
                    self.has_read_all = true;
                }
            }
        }
        Ok(self.has_read_all)
    }

    fn next<R: Rows>(&mut self, rows: &R) -> Result<Option<LogEntry>, R::Error> {
        let mut least: Option<(LogEntry, usize)> = None;
        for (index, reader) in self.readers.iter_mut().enumerate() {
            if let Some(entry) = reader.peek(rows)?
                && least.is_none_or(|(least, _)| entry.digest < least.digest)
            {
                least = Some((entry, index));
            }
        }
        let Some((entry, index)) = least else { return Ok(None) };
        if let Some(reader) = self.readers.get_mut(index) {
            reader.advance();
        }
        Ok(Some(entry))
    }

    /// The next segment to publish. Call it when [`Self::advance`] has returned `true`.
    pub fn publication<R: Rows>(&mut self, rows: &R) -> Result<Option<Publication>, R::Error> {
        let Some(run) = self.writer.finished.get(self.published) else { return Ok(None) };
        self.published = self.published.saturating_add(1);
        let expires_at = run.expires_at.plus(super::KEPT_AFTER_EXPIRY);
        Ok(Some(Publication { name: run.segment.name, filter: run.filter(rows)?, expires_at }))
    }

    /// Replaces the input runs with the new ones.
    pub fn install<R: Rows>(self, rows: &mut R, runs: &mut Vec<Run>) -> Result<(), R::Error> {
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

/// A higher id than that of any live run. What is left of an unfinished run is removed before the next job starts.
fn next_id(runs: &[Run]) -> u64 {
    runs.iter().map(|run| run.id).max().unwrap_or(0).saturating_add(1)
}

/// Removes some blocks of a run that is not live. Returns whether there was such a run.
pub(super) fn remove_dead_blocks<R: Rows>(rows: &mut R) -> Result<bool, R::Error> {
    let found = rows.runs()?.into_iter().find(|(_, state, _)| *state != RunState::Live);
    let Some((id, _, _)) = found else { return Ok(false) };
    if rows.remove_blocks(id, REMOVED_PER_STEP)? {
        rows.remove_run(id)?;
    }
    Ok(true)
}
