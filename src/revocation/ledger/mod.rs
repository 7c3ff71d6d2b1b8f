//! The ledger: the durable, ordered store of revocations. This module implements one shard.
//!
//! It contains no platform code. A shard reads and writes its database through [`Rows`]: the Durable Object implements
//! that with SQLite, and the model in `tests/model.rs` with maps, so the model runs the shipped code.
//!
//! - The **log** has one entry per revocation. Each entry has the next version number.
//! - When the log is long enough, the shard **seals** its entries into a sorted, immutable **run**.
//! - The filter of a run is its **segment**. Isolates download segments from Workers KV.
//! - The **directory** is the list of current segments.
//!
//! An isolate that has the segments up to a version, and the log entries after it, knows every live revocation.

mod breaker;
mod client;
mod log;
mod merge;
mod outbox;
mod rows;
mod run;
mod segment;
mod wire;
mod work;

use std::time::Duration;

use self::log::RecentLog;
use self::merge::{Job, remove_dead_blocks};
use self::outbox::Outbox;
use self::run::Run;
use super::key::Digest;
use super::record::{Limits, Logout, Revocation, Scope, TokenEntry, shard_of};
use crate::ports::IndexError;
use crate::time::Timestamp;

pub(super) use self::breaker::{Admission, Breaker, Purpose};
pub(super) use self::client::{CALL_LIMIT, ShardClient};
pub use self::merge::{Publication, Sizes};
pub use self::outbox::{BATCH, BATCHES, GATHERING, LONGEST_WAIT, WRITE_LIMIT, Write};
pub use self::rows::{Head, Import, Lineage, LogEntry, LogRow, PendingEntry, Rows, RunState, StoredRun};
pub use self::segment::{Segment, SegmentFilter, SegmentName};
pub use self::wire::{Answer, Call, Directory, Entry, Position, Question, Setup, SyncQuestion, Synced};
pub use self::work::{BackgroundIo, KvListEntry, KvListPage, run_background_work};

/// How long a revocation is kept after its expiry, because other machines' clocks may be behind.
pub(super) const KEPT_AFTER_EXPIRY: Duration = Duration::from_mins(10);
/// How long expired entries may stay at the start of the log before they are removed.
const TRIM_AFTER: Duration = Duration::from_hours(1);
/// How many log entries one step moves to the table of pending Workers KV writes.
const MAX_DEFERRED_PER_STEP: u64 = 256;
/// How many lineages are stored. A replica with an older lineage starts over.
const MAX_LINEAGES: usize = 64;
/// The lifetime of an imported KV entry that cannot be parsed and has no expiration. It revokes every matching token.
const UNREADABLE_LIFETIME: Duration = Duration::from_hours(365 * 24);
/// Above this size a shard rejects logouts. A Durable Object stores up to 10 GB; merges need the rest.
const MAX_STORED_BYTES: u64 = 9_000_000_000;
/// The size is checked once per this many versions. A full shard assigns no new versions, so it stays full.
const SIZE_CHECK_INTERVAL: u64 = 64;

/// The ledger's configuration, the same for every shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerRules {
    /// The number of shards of a new ledger.
    pub shards: u32,
    /// When the last Worker version without a ledger stopped writing to Workers KV, if the operator configured that.
    pub kv_written_until: Option<Timestamp>,
}

/// One shard of the ledger: its database, and the state that this instance of the Durable Object caches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ledger<R> {
    /// Its database.
    pub rows: R,
    /// The sizes of runs, levels and pages.
    sizes: Sizes,
    /// In-memory state. All of it can be rebuilt from `rows`.
    instance: Instance,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Instance {
    /// Whether this instance has stored its lineage.
    has_lineage: bool,
    /// Whether a call has created background work since [`Ledger::take_new_work`] was last called.
    has_new_work: bool,
    recent: RecentLog,
    /// The live runs.
    runs: Vec<Run>,
    /// The id of the directory that `runs` was read from.
    directory: u64,
    outbox: Outbox,
    job: Option<Job>,
}

/// The next background step of a shard.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A step was done. Call [`Ledger::step`] again.
    More,
    /// Publish this filter, then call [`Ledger::step`] again.
    Publish(Publication),
    /// Nothing to do until this time; `None` when no work is scheduled.
    Idle(Option<Timestamp>),
}

impl<R: Rows> Ledger<R> {
    /// The shard stored in `rows`.
    pub fn new(rows: R, sizes: Sizes) -> Self {
        Self { rows, sizes, instance: Instance::default() }
    }

    /// Answers a call without writing. Returns `None` when the call has to write: use [`Self::answer`] for it.
    ///
    /// # Errors
    /// A database error.
    pub fn read(&mut self, call: &Call) -> Result<Option<Answer>, R::Error> {
        if matches!(call.question, Question::Record(_)) {
            return Ok(None);
        }
        let Some(head) = self.rows.head()? else { return Ok(None) };
        if head.import_after < import_after(&head, call.setup) || head.shards != call.setup.shards {
            return Ok(None);
        }
        match &call.question {
            Question::Sync(question) if self.is_on_history(&head, question.at)? => {
                self.changes(&head, question).map(Some)
            }
            Question::Sync(_) | Question::Record(_) => Ok(None),
            Question::Confirm(at, digests) => self.confirm(&head, *at, digests).map(Some),
            Question::Segment(name) => self.segment(&head, *name).map(Some),
        }
    }

    /// Answers a call. Run it in one transaction.
    ///
    /// # Errors
    /// A database error. Roll the transaction back and call [`Self::forget_instance`].
    pub fn answer(&mut self, call: &Call, now: Timestamp) -> Result<Answer, R::Error> {
        if let Some(answer) = self.read(call)? {
            return Ok(answer);
        }
        let mut head = match (self.rows.head()?, &call.question) {
            (Some(head), _) => head,
            // Only `Record` and `Sync` create a shard: their callers know the number of shards.
            (None, Question::Confirm(_, digests)) => return Ok(Answer::Confirmed(vec![None; digests.len()])),
            (None, Question::Segment(_)) => return Ok(Answer::Segment(None)),
            (None, Question::Record(_) | Question::Sync(_)) => self.create(call.setup, now)?,
        };
        let import_after = import_after(&head, call.setup);
        if head.import_after < import_after {
            head.import_after = import_after;
            self.rows.set_head(&head)?;
            self.instance.has_new_work = true;
        }
        if head.shards != call.setup.shards {
            return Ok(Answer::OtherLayout(head.shards));
        }
        match &call.question {
            Question::Record(batch) => self.record(head, batch, now),
            Question::Sync(question) => self.sync(&head, question, call.setup, now),
            Question::Confirm(at, digests) => self.confirm(&head, *at, digests),
            Question::Segment(name) => self.segment(&head, *name),
        }
    }

    fn create(&mut self, setup: Setup, now: Timestamp) -> Result<Head, R::Error> {
        let head = Head {
            latest: 0,
            lineage: 0,
            sealed: 0,
            directory: self.random_number()?,
            written: 0,
            shard: setup.shard,
            shards: setup.shards,
            complete_since: now,
            import_after: now,
            imported_since: None,
            import: None,
            unknown_position: Position::default(),
        };
        self.rows.set_head(&head)?;
        Ok(head)
    }

    /// A random id of 52 bits, never 0. SQLite and JavaScript represent it exactly.
    fn random_number(&mut self) -> Result<u64, R::Error> {
        let bytes = self.rows.random()?;
        let number = bytes.first_chunk().map_or(1, |bytes| u64::from_le_bytes(*bytes));
        Ok((number >> 12_u32).max(1))
    }

    /// Records logouts. A logout that recorded revocations already cover appends nothing, so recording is idempotent.
    fn record(&mut self, mut head: Head, batch: &[Logout], now: Timestamp) -> Result<Answer, R::Error> {
        if head.latest.wrapping_rem(SIZE_CHECK_INTERVAL) == 0 && self.rows.size()? >= MAX_STORED_BYTES {
            return Ok(Answer::Full);
        }
        self.instance.recent.update(&self.rows, &head)?;
        for logout in batch {
            let known = self.recorded_limits(&head, logout)?;
            let limits = logout.widest.limits();
            match known {
                Some(known) if known.cover(&limits, logout.widest.duplicate_window) => {
                    self.ensure_token_entry(&head, logout, now)?;
                }
                known => {
                    let limits = known.map_or(limits, |known| known.widened_by(&limits));
                    let widest = logout.widest.clone().within(limits);
                    self.append(&mut head, Logout { widest, token: logout.token }, false)?;
                }
            }
        }
        Ok(Answer::Recorded)
    }

    /// The limits recorded for a logout's digest. Runs are searched only for cut-offs, which must not move back; a
    /// duplicate of any other revocation is harmless.
    fn recorded_limits(&mut self, head: &Head, logout: &Logout) -> Result<Option<Limits>, R::Error> {
        let digest = &logout.widest.digest;
        let recent = self.instance.recent.find(digest).map(|(_, entry)| entry.limits);
        if recent.is_some() || logout.widest.cut_off.is_none() {
            return Ok(recent);
        }
        Ok(self.find(head, digest)?.map(|entry| entry.limits))
    }

    /// Schedules the token's own KV entry if it is missing: its session may have been revoked with another token.
    fn ensure_token_entry(&mut self, head: &Head, logout: &Logout, now: Timestamp) -> Result<(), R::Error> {
        let (Some(token), Some(TokenEntry { digest, .. })) = (logout.token_revocation(), logout.token) else {
            return Ok(());
        };
        let version = self.instance.recent.find(&logout.widest.digest).map(|(version, _)| version);
        let row = match version {
            Some(version) => self.rows.rows_after(version.saturating_sub(1).max(head.sealed), 1)?.pop(),
            None => None,
        };
        if row.is_some_and(|row| row.logout.token == logout.token) || self.rows.pending(&digest)?.is_some() {
            return Ok(());
        }
        self.rows.set_pending(&PendingEntry { revocation: token, failures: 0, due_at: now, uncertain_until: now })
    }

    fn append(&mut self, head: &mut Head, logout: Logout, is_imported: bool) -> Result<(), R::Error> {
        let version = head.latest.saturating_add(1);
        if !self.instance.has_lineage {
            let lineage = Lineage { first: version, id: self.random_number()? };
            self.rows.add_lineage(lineage)?;
            let lineages = self.rows.lineages()?;
            if let Some(oldest) = lineages.len().checked_sub(MAX_LINEAGES).and_then(|place| lineages.get(place)) {
                self.rows.remove_lineages(oldest.first)?;
            }
            head.lineage = lineage.id;
            self.instance.recent.begin_lineage(lineage.id);
            self.instance.has_lineage = true;
            self.instance.outbox.set_inherited(head.latest);
        }
        let entry = LogEntry::of(&logout.widest);
        self.rows.append(&LogRow { version, logout, is_imported })?;
        head.latest = version;
        self.instance.recent.push(entry);
        Ok(())
    }

    /// Drops the in-memory state. Call it after a failed call, whose writes were rolled back.
    pub fn forget_instance(&mut self) {
        self.instance = Instance::default();
    }

    fn sync(&mut self, head: &Head, question: &SyncQuestion, setup: Setup, now: Timestamp) -> Result<Answer, R::Error> {
        if self.is_on_history(head, question.at)? {
            return self.changes(head, question);
        }
        self.start_recovery(head, question.at, setup, now)?;
        Ok(Answer::OtherHistory)
    }

    /// The entries after a position, and the directory if the caller has an older one.
    fn changes(&mut self, head: &Head, question: &SyncQuestion) -> Result<Answer, R::Error> {
        let SyncQuestion { at, directory, overlap } = *question;
        let known = if at.version == 0 { head.sealed } else { at.version };
        let after = known.min(head.latest.saturating_sub(overlap.into())).max(head.sealed);
        let limit = if after < head.latest { self.sizes.page } else { 0 };
        let entries = if limit > 0 { self.rows.log_after(after, limit)? } else { Vec::new() };
        let upto = after.saturating_add(u64::try_from(entries.len()).unwrap_or(u64::MAX));
        Ok(Answer::Synced(Synced {
            lineage: head.lineage,
            after,
            upto,
            is_complete: upto >= head.latest,
            is_importing: head.is_importing(),
            shards: head.shards,
            directory_id: head.directory,
            directory: if directory == head.directory { None } else { Some(self.directory(head)?) },
            entries: entries.iter().map(|entry| Entry::new(&entry.digest, entry.limits.cut_off)).collect(),
        }))
    }

    fn directory(&mut self, head: &Head) -> Result<Directory, R::Error> {
        self.read_runs(head)?;
        let cut_offs = self.rows.cut_offs()?;
        Ok(Directory {
            sealed: head.sealed,
            segments: self.instance.runs.iter().map(|run| run.segment).collect(),
            cut_offs: cut_offs.iter().map(|entry| Entry::new(&entry.digest, entry.limits.cut_off)).collect(),
        })
    }

    /// Whether a position is on this shard's history. It is not after a restore to an earlier state.
    fn is_on_history(&self, head: &Head, at: Position) -> Result<bool, R::Error> {
        if at.version == 0 {
            return Ok(true);
        }
        if at.lineage == head.lineage {
            return Ok(at.version <= head.latest);
        }
        let lineages = self.rows.lineages()?;
        let next = lineages.iter().position(|lineage| lineage.id == at.lineage).map(|place| place.saturating_add(1));
        let next = next.and_then(|place| lineages.get(place));
        Ok(next.is_some_and(|next| at.version < next.first))
    }

    /// Handles a caller with a position that this shard does not know: the shard was restored or lost its storage.
    /// Starts an import of the lost revocations from Workers KV.
    fn start_recovery(&mut self, head: &Head, at: Position, setup: Setup, now: Timestamp) -> Result<(), R::Error> {
        if head.unknown_position.lineage == at.lineage && head.unknown_position.version >= at.version {
            return Ok(());
        }
        let lineages = self.rows.lineages()?;
        // The position is older than the oldest stored lineage, so it may have been on this history: not a restore.
        if lineages.len() >= MAX_LINEAGES && lineages.first().is_some_and(|oldest| at.version < oldest.first) {
            return Ok(());
        }
        self.instance.has_new_work = true;
        let head = Head { unknown_position: at, complete_since: now, import: None, ..head.clone() };
        self.rows.set_head(&Head { import_after: import_after(&head, setup), ..head })
    }

    /// For each digest, up to which issue time tokens are revoked.
    fn confirm(&mut self, head: &Head, at: Position, digests: &[Digest]) -> Result<Answer, R::Error> {
        if !self.is_on_history(head, at)? {
            return Ok(Answer::OtherHistory);
        }
        self.instance.recent.update(&self.rows, head)?;
        let cut_offs = self.rows.cut_offs()?;
        let mut found = Vec::with_capacity(digests.len());
        for digest in digests {
            let entry = self.find_with_cut_offs(head, digest, &cut_offs)?;
            found.push(entry.map(|entry| entry.limits.cut_off.unwrap_or(Timestamp::END)));
        }
        Ok(Answer::Confirmed(found))
    }

    fn find(&mut self, head: &Head, digest: &Digest) -> Result<Option<LogEntry>, R::Error> {
        let cut_offs = self.rows.cut_offs()?;
        self.find_with_cut_offs(head, digest, &cut_offs)
    }

    /// All recorded revocations of a digest, combined into one entry.
    fn find_with_cut_offs(
        &mut self,
        head: &Head,
        digest: &Digest,
        cut_offs: &[LogEntry],
    ) -> Result<Option<LogEntry>, R::Error> {
        self.read_runs(head)?;
        let mut found = self.instance.recent.find(digest).map(|(_, entry)| *entry);
        let listed = cut_offs.iter().filter(|entry| entry.digest == *digest).copied();
        let mut add = |entry: LogEntry| found = Some(found.map_or(entry, |found| found.widened_by(&entry)));
        listed.for_each(&mut add);
        for run in &self.instance.runs {
            if let Some(entry) = run.find(&self.rows, digest)? {
                add(entry);
            }
        }
        Ok(found)
    }

    fn segment(&mut self, head: &Head, name: SegmentName) -> Result<Answer, R::Error> {
        self.read_runs(head)?;
        let run = self.instance.runs.iter().find(|run| run.segment.name == name);
        Ok(Answer::Segment(run.map(|run| run.filter(&self.rows)).transpose()?))
    }

    fn read_runs(&mut self, head: &Head) -> Result<(), R::Error> {
        if self.instance.directory != head.directory {
            let mut runs = Vec::new();
            for (id, state, about) in self.rows.runs()? {
                if state == RunState::Live {
                    runs.push(Run::read(id, &about).ok_or_else(|| self.rows.unreadable())?);
                }
            }
            self.instance.runs = runs;
            self.instance.directory = head.directory;
        }
        Ok(())
    }

    /// The next batch of Workers KV writes; empty when none is due.
    ///
    /// # Errors
    /// A database error.
    pub fn take_batch(&mut self, now: Timestamp) -> Result<Vec<Write>, R::Error> {
        let Some(head) = self.rows.head()? else { return Ok(Vec::new()) };
        self.instance.recent.update(&self.rows, &head)?;
        let Instance { outbox, recent, .. } = &mut self.instance;
        let batch = outbox.take_batch(&mut self.rows, &head, recent, now)?;
        self.store_written(head)?;
        Ok(batch)
    }

    /// Records the results of a batch.
    ///
    /// # Errors
    /// A database error.
    pub fn note_batch(&mut self, ended: Vec<(Write, Result<(), IndexError>)>, now: Timestamp) -> Result<(), R::Error> {
        self.instance.outbox.record_results(&mut self.rows, ended, now)?;
        match self.rows.head()? {
            Some(head) => self.store_written(head),
            None => Ok(()),
        }
    }

    fn store_written(&mut self, head: Head) -> Result<(), R::Error> {
        if !self.instance.outbox.should_store_written(&head) {
            return Ok(());
        }
        let written = self.instance.outbox.written(&head);
        self.rows.set_head(&Head { written, ..head })
    }

    /// The import to continue, with its list cursor; `None` when no import is due.
    ///
    /// # Errors
    /// A database error.
    pub fn take_import(&mut self, now: Timestamp) -> Result<Option<Import>, R::Error> {
        let Some(head) = self.rows.head()? else { return Ok(None) };
        if !head.is_importing() || now < head.import_after {
            return Ok(None);
        }
        Ok(Some(match &head.import {
            Some(import) if import.began_at >= head.import_after => import.clone(),
            _ => Import { began_at: now, cursor: None },
        }))
    }

    /// Restarts the import from the first page.
    ///
    /// # Errors
    /// A database error.
    pub fn restart_import(&mut self) -> Result<(), R::Error> {
        match self.rows.head()? {
            Some(head) => self.rows.set_head(&Head { import: None, ..head }),
            None => Ok(()),
        }
    }

    /// Records one page of the import. Returns whether it was the last page.
    ///
    /// # Errors
    /// A database error. Then call [`Self::forget_instance`].
    pub fn note_import(&mut self, import: &Import, page: KvListPage, now: Timestamp) -> Result<bool, R::Error> {
        let Some(mut head) = self.rows.head()? else { return Ok(true) };
        self.instance.recent.update(&self.rows, &head)?;
        let cut_offs = self.rows.cut_offs()?;
        for KvListEntry { key, stored, expires_at } in &page.entries {
            let Some((issuer, scope, digest)) = Digest::of_key(key) else { continue };
            let unreadable =
                || Limits { cut_off: None, expires_at: expires_at.unwrap_or(now.plus(UNREADABLE_LIFETIME)) };
            let limits = stored.map_or_else(unreadable, |stored| stored.limits());
            let widest = Revocation {
                digest,
                issuer: issuer.to_owned(),
                scope,
                revoked_at: now,
                cut_off: limits.cut_off,
                expires_at: limits.expires_at,
                duplicate_window: Duration::ZERO,
            };
            let is_ours = shard_of(scope, &digest, head.shards) == head.shard;
            if is_ours && !LogEntry::of(&widest).is_over(now) {
                let known = self.find_with_cut_offs(&head, &digest, &cut_offs)?.map(|entry| entry.limits);
                if !known.is_some_and(|known| known.cover(&limits, Duration::ZERO)) {
                    let limits = known.map_or(limits, |known| known.widened_by(&limits));
                    self.append(&mut head, Logout { widest: widest.within(limits), token: None }, true)?;
                }
            }
        }
        let is_last = page.cursor.is_none();
        let next = Some(Import { began_at: import.began_at, cursor: page.cursor }).filter(|_| !is_last);
        let imported_since = if is_last { Some(import.began_at) } else { head.imported_since };
        self.rows.set_head(&Head { import: next, imported_since, ..head })?;
        Ok(is_last)
    }

    /// Does one step of background work: seals the log, merges runs, or removes expired data.
    ///
    /// # Errors
    /// A database error. Then call [`Self::forget_instance`].
    pub fn step(&mut self, now: Timestamp) -> Result<Step, R::Error> {
        let Some(head) = self.rows.head()? else { return Ok(Step::Idle(None)) };
        self.read_runs(&head)?;
        self.instance.recent.update(&self.rows, &head)?;
        if let Some(job) = &mut self.instance.job {
            if !job.advance(&mut self.rows, self.sizes, now)? {
                return Ok(Step::More);
            }
            if let Some(publication) = job.publication(&self.rows)? {
                return Ok(Step::Publish(publication));
            }
            self.install_job(head, now)?;
            return Ok(Step::More);
        }
        if remove_dead_blocks(&mut self.rows)?
            || self.drop_runs(&head, now)?
            || self.trim(&head, now)?
            || self.defer_unwritten(&head, now)?
        {
            return Ok(Step::More);
        }
        self.instance.job = self.next_job(&head, now)?;
        if self.instance.job.is_some() { Ok(Step::More) } else { self.due_after(&head, now).map(Step::Idle) }
    }

    fn next_job(&mut self, head: &Head, now: Timestamp) -> Result<Option<Job>, R::Error> {
        let Instance { runs, recent, outbox, .. } = &mut self.instance;
        if let Some(merge) = Job::merge(runs, self.sizes) {
            return Ok(Some(merge));
        }
        if recent.len() < self.sizes.sealed {
            return Ok(None);
        }
        // Entries that Workers KV does not have yet stay in the log.
        let upto = outbox.written(head).min(head.latest).min(max_sealed_version(head, self.sizes));
        if upto.saturating_sub(head.sealed) < u64::try_from(self.sizes.sealed).unwrap_or(u64::MAX) / 2 {
            return Ok(None);
        }
        Job::seal(&mut self.rows, runs, recent, upto, self.sizes, now).map(Some)
    }

    /// Moves unwritten entries of an overlong log to the pending table, so that the log can be sealed.
    fn defer_unwritten(&mut self, head: &Head, now: Timestamp) -> Result<bool, R::Error> {
        let Instance { recent, outbox, .. } = &mut self.instance;
        let most = max_sealed_version(head, self.sizes);
        let written = outbox.written(head).max(head.sealed);
        if head.latest < most || written >= most {
            return Ok(false);
        }
        outbox.defer_unwritten(
            &mut self.rows,
            head,
            recent,
            most.min(written.saturating_add(MAX_DEFERRED_PER_STEP)),
            now,
        )?;
        Ok(true)
    }

    /// Installs the result of the job as the current directory, in one transaction.
    fn install_job(&mut self, head: Head, now: Timestamp) -> Result<(), R::Error> {
        let Some(job) = self.instance.job.take() else { return Ok(()) };
        let sealed = job.seals_upto.unwrap_or(head.sealed);
        job.install(&mut self.rows, &mut self.instance.runs)?;
        self.seal(head, sealed, now)
    }

    /// Removes the log up to version `sealed`, which is in runs or expired, and assigns a new directory id.
    fn seal(&mut self, head: Head, sealed: u64, now: Timestamp) -> Result<(), R::Error> {
        let count = usize::try_from(sealed.saturating_sub(head.sealed)).unwrap_or(0);
        let listed: Vec<LogEntry> =
            self.instance.recent.iter().take(count).filter(|entry| entry.scope == Scope::Issuer).copied().collect();
        let stored = self.rows.cut_offs()?;
        for entry in listed.into_iter().filter(|entry| !entry.is_over(now)) {
            let stored = stored.iter().find(|stored| stored.digest == entry.digest);
            self.rows.set_cut_off(&stored.map_or(entry, |stored| entry.widened_by(stored)))?;
        }
        if sealed > head.sealed {
            self.rows.remove_log(sealed)?;
        }
        let head = Head { sealed, written: head.written.max(sealed), directory: self.random_number()?, ..head };
        self.rows.set_head(&head)?;
        self.instance.directory = head.directory;
        self.instance.recent.update(&self.rows, &head)
    }

    /// Drops expired runs and cut-offs. Returns whether there were any.
    fn drop_runs(&mut self, head: &Head, now: Timestamp) -> Result<bool, R::Error> {
        let is_over = |run: &Run| run.expires_at.plus(KEPT_AFTER_EXPIRY) <= now;
        let cut_offs: Vec<_> = self.rows.cut_offs()?.into_iter().filter(|entry| entry.is_over(now)).collect();
        if cut_offs.is_empty() && !self.instance.runs.iter().any(is_over) {
            return Ok(false);
        }
        for run in self.instance.runs.iter().filter(|run| is_over(run)) {
            self.rows.set_run(run.id, RunState::Removed, &run.write())?;
        }
        self.instance.runs.retain(|run| !is_over(run));
        for entry in cut_offs {
            self.rows.remove_cut_off(&entry.digest)?;
        }
        self.seal(head.clone(), head.sealed, now)?;
        Ok(true)
    }

    /// Removes expired entries from the start of the log. A small log is never sealed, so it needs this.
    fn trim(&mut self, head: &Head, now: Timestamp) -> Result<bool, R::Error> {
        if self.trim_at().is_none_or(|at| at > now) {
            return Ok(false);
        }
        let written = self.instance.outbox.written(head);
        let over = self.instance.recent.iter().take_while(|entry| entry.is_over(now)).count();
        let upto = head.sealed.saturating_add(u64::try_from(over).unwrap_or(0)).min(written);
        if upto == head.sealed {
            return Ok(false);
        }
        self.seal(head.clone(), upto, now)?;
        Ok(true)
    }

    fn trim_at(&self) -> Option<Timestamp> {
        let first = self.instance.recent.iter().next()?;
        Some(first.limits.expires_at.plus(KEPT_AFTER_EXPIRY).plus(TRIM_AFTER))
    }

    /// Whether calls other than `Record` created background work, so that an alarm is needed. Resets the flag.
    pub fn take_new_work(&mut self) -> bool {
        std::mem::take(&mut self.instance.has_new_work)
    }

    /// When the next background work is due; `None` when there is none.
    ///
    /// # Errors
    /// A database error.
    pub fn next_due(&mut self, now: Timestamp) -> Result<Option<Timestamp>, R::Error> {
        let Some(head) = self.rows.head()? else { return Ok(None) };
        self.read_runs(&head)?;
        self.instance.recent.update(&self.rows, &head)?;
        self.due_after(&head, now)
    }

    fn due_after(&self, head: &Head, now: Timestamp) -> Result<Option<Timestamp>, R::Error> {
        let runs = self.instance.runs.iter().map(|run| run.expires_at.plus(KEPT_AFTER_EXPIRY)).min();
        let cut_offs = self.rows.cut_offs()?;
        let cut_offs = cut_offs.iter().map(|entry| entry.limits.expires_at.plus(KEPT_AFTER_EXPIRY)).min();
        let outbox = self.instance.outbox.next_due(&self.rows, head, now)?;
        let is_written = self.instance.outbox.written(head) > head.sealed;
        let trim = self.trim_at().filter(|_| is_written).map(|at| at.max(now));
        let import = head.is_importing().then(|| head.import_after.max(now));
        Ok([runs, cut_offs, outbox, trim, import].into_iter().flatten().min())
    }
}

/// The highest version that one seal job may reach.
fn max_sealed_version(head: &Head, sizes: Sizes) -> u64 {
    head.sealed.saturating_add(u64::try_from(sizes.sealed.saturating_mul(2)).unwrap_or(u64::MAX))
}

/// The earliest start of a KV listing that sees everything that was written without the ledger.
fn import_after(head: &Head, setup: Setup) -> Timestamp {
    let written_until = setup.kv_written_until.unwrap_or(head.complete_since);
    head.complete_since.max(written_until).plus(setup.settling)
}

impl Head {
    /// Whether Workers KV may have revocations that the ledger does not.
    fn is_importing(&self) -> bool {
        self.imported_since.is_none_or(|since| since < self.import_after)
    }
}
