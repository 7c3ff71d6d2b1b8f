//! The ledger: the durable authority on one shard's revocations.
//!
//! Pure: every decision is here, and [`Rows`] is all that it needs of a database. The Durable Object answers that with
//! SQLite; the model in `tests/model.rs` with maps, so that what is searched is what runs.
//!
//! A revocation is one entry of the log, with the next version. When enough entries have gathered they are sealed into
//! a sorted run, whose filter is a segment that isolates hold. A replica that has the segments up to a version, and the
//! entries after it, knows every live revocation.

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
use self::merge::{Job, remove_some};
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
pub use self::work::{Listed, ListedEntry, Outside, work};

/// How long after its expiry a revocation is kept: the clocks of those who check may be late.
pub(super) const KEPT_AFTER_EXPIRY: Duration = Duration::from_mins(10);
/// How long the first entries of the log may be over before they are removed.
const TRIM_AFTER: Duration = Duration::from_hours(1);
/// How many entries of the log are made pending at once.
const SET_ASIDE_AT_ONCE: u64 = 256;
/// How many lineages are remembered. A replica of an older one begins anew.
const LINEAGES: usize = 64;
/// An entry of Workers KV that cannot be read ends every token until KV removes it, and for so long where KV does not.
const UNREADABLE_FOR: Duration = Duration::from_hours(365 * 24);
/// A shard that stores more takes no more logouts, which fail then. A Durable Object holds 10 GB; the rest is for merges.
const FULL: u64 = 9_000_000_000;
/// The size is looked at once in so many versions. A full shard gives no new version, so it stays full.
const SIZE_LOOKED_AT: u64 = 64;

/// What holds for every shard of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerRules {
    /// How many shards a new ledger gets.
    pub shards: u32,
    /// Until when a version without a ledger has written to Workers KV, where the operator says so.
    pub kv_written_until: Option<Timestamp>,
}

/// One shard.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ledger<R> {
    /// Its database.
    pub rows: R,
    /// How large runs are.
    sizes: Sizes,
    /// What this instance of the object knows; all of it can be read anew.
    instance: Instance,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Instance {
    /// Whether the lineage of this start of the object is stored.
    has_lineage: bool,
    /// Whether there is something to do since the alarm was looked at.
    has_new_work: bool,
    recent: RecentLog,
    /// The live runs, and the directory that they are.
    runs: Vec<Run>,
    directory: u64,
    outbox: Outbox,
    job: Option<Job>,
}

/// What a shard does next, beside answering.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Something was done, and there is more.
    More,
    /// A filter is to be published before anything else is done.
    Publish(Publication),
    /// Nothing is left to do until then.
    Idle(Option<Timestamp>),
}

impl<R: Rows> Ledger<R> {
    /// The shard that a database has.
    pub fn new(rows: R, sizes: Sizes) -> Self {
        Self { rows, sizes, instance: Instance::default() }
    }

    /// Answers a call that nothing has to be written for, `None` otherwise. It needs no transaction.
    ///
    /// # Errors
    /// The database's. Then nothing may be answered.
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

    /// Answers a call.
    ///
    /// # Errors
    /// The database's. Then nothing may be answered, and what was written by this call must be undone.
    pub fn answer(&mut self, call: &Call, now: Timestamp) -> Result<Answer, R::Error> {
        if let Some(answer) = self.read(call)? {
            return Ok(answer);
        }
        let mut head = match (self.rows.head()?, &call.question) {
            (Some(head), _) => head,
            // Only what every caller asks with the right number of shards makes a shard.
            (None, Question::Confirm(_, digests)) => return Ok(Answer::Confirmed(vec![None; digests.len()])),
            (None, Question::Segment(_)) => return Ok(Answer::Segment(None)),
            (None, Question::Record(_) | Question::Sync(_)) => self.begin(call.setup, now)?,
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

    fn begin(&mut self, setup: Setup, now: Timestamp) -> Result<Head, R::Error> {
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
            foreign: Position::default(),
        };
        self.rows.set_head(&head)?;
        Ok(head)
    }

    /// A random number that SQLite and JavaScript hold exactly, other than 0.
    fn random_number(&mut self) -> Result<u64, R::Error> {
        let bytes = self.rows.random()?;
        let number = bytes.first_chunk().map_or(1, |bytes| u64::from_le_bytes(*bytes));
        Ok((number >> 12_u32).max(1))
    }

    /// Records logouts. What is covered already appends nothing, so recording twice is recording once.
    fn record(&mut self, mut head: Head, batch: &[Logout], now: Timestamp) -> Result<Answer, R::Error> {
        if head.latest.wrapping_rem(SIZE_LOOKED_AT) == 0 && self.rows.size()? >= FULL {
            return Ok(Answer::Full);
        }
        self.instance.recent.update(&self.rows, &head)?;
        for logout in batch {
            let known = self.known(&head, logout)?;
            let limits = logout.widest.limits();
            match known {
                Some(known) if known.cover(&limits, logout.widest.spare) => self.note_token(&head, logout, now)?,
                known => {
                    let limits = known.map_or(limits, |known| known.widened_by(&limits));
                    let widest = logout.widest.clone().within(limits);
                    self.append(&mut head, Logout { widest, token: logout.token }, false)?;
                }
            }
        }
        Ok(Answer::Recorded)
    }

    /// The limits that are recorded for a logout's digest. Only a cut-off is looked for in runs: of other revocations a
    /// second one does no harm.
    fn known(&mut self, head: &Head, logout: &Logout) -> Result<Option<Limits>, R::Error> {
        let digest = &logout.widest.digest;
        let recent = self.instance.recent.find(digest).map(|(_, entry)| entry.limits);
        if recent.is_some() || logout.widest.cut_off.is_none() {
            return Ok(recent);
        }
        Ok(self.find(head, digest)?.map(|entry| entry.limits))
    }

    /// The token's own entry in Workers KV is promised, also when its session was revoked with another token.
    fn note_token(&mut self, head: &Head, logout: &Logout, now: Timestamp) -> Result<(), R::Error> {
        let (Some(token), Some(TokenEntry { digest, .. })) = (logout.of_token(), logout.token) else { return Ok(()) };
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
            if let Some(oldest) = lineages.len().checked_sub(LINEAGES).and_then(|place| lineages.get(place)) {
                self.rows.remove_lineages(oldest.first)?;
            }
            head.lineage = lineage.id;
            self.instance.recent.begin_lineage(lineage.id);
            self.instance.has_lineage = true;
            self.instance.outbox.inherit(head.latest);
        }
        let entry = LogEntry::of(&logout.widest);
        self.rows.append(&LogRow { version, logout, is_imported })?;
        head.latest = version;
        self.instance.recent.push(entry);
        Ok(())
    }

    /// Forgets what this instance knows. To be called when a call has failed, since its writes are undone.
    pub fn forget_instance(&mut self) {
        self.instance = Instance::default();
    }

    fn sync(&mut self, head: &Head, question: &SyncQuestion, setup: Setup, now: Timestamp) -> Result<Answer, R::Error> {
        if self.is_on_history(head, question.at)? {
            return self.changes(head, question);
        }
        self.note_foreign(head, question.at, setup, now)?;
        Ok(Answer::OtherHistory)
    }

    /// What has changed since a position, and which segments hold the rest.
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

    /// Whether everything up to a position was recorded on this shard's own history.
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

    /// A caller was ahead: this shard was restored, or has lost its storage. Workers KV has what it has lost.
    fn note_foreign(&mut self, head: &Head, at: Position, setup: Setup, now: Timestamp) -> Result<(), R::Error> {
        if head.foreign.lineage == at.lineage && head.foreign.version >= at.version {
            return Ok(());
        }
        let lineages = self.rows.lineages()?;
        // It is older than every lineage that is remembered, of which there are so many: that is no restore.
        if lineages.len() >= LINEAGES && lineages.first().is_some_and(|oldest| at.version < oldest.first) {
            return Ok(());
        }
        self.instance.has_new_work = true;
        let head = Head { foreign: at, complete_since: now, import: None, ..head.clone() };
        self.rows.set_head(&Head { import_after: import_after(&head, setup), ..head })
    }

    /// Which digests are revoked.
    fn confirm(&mut self, head: &Head, at: Position, digests: &[Digest]) -> Result<Answer, R::Error> {
        if !self.is_on_history(head, at)? {
            return Ok(Answer::OtherHistory);
        }
        self.instance.recent.update(&self.rows, head)?;
        let cut_offs = self.rows.cut_offs()?;
        let mut found = Vec::with_capacity(digests.len());
        for digest in digests {
            let entry = self.find_among(head, digest, &cut_offs)?;
            found.push(entry.map(|entry| entry.limits.cut_off.unwrap_or(Timestamp::END)));
        }
        Ok(Answer::Confirmed(found))
    }

    fn find(&mut self, head: &Head, digest: &Digest) -> Result<Option<LogEntry>, R::Error> {
        let cut_offs = self.rows.cut_offs()?;
        self.find_among(head, digest, &cut_offs)
    }

    /// Everything that is recorded of a digest, in one.
    fn find_among(
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

    /// The next entries to write to Workers KV; none when nothing is due.
    ///
    /// # Errors
    /// The database's.
    pub fn take_batch(&mut self, now: Timestamp) -> Result<Vec<Write>, R::Error> {
        let Some(head) = self.rows.head()? else { return Ok(Vec::new()) };
        self.instance.recent.update(&self.rows, &head)?;
        let Instance { outbox, recent, .. } = &mut self.instance;
        let batch = outbox.take(&mut self.rows, &head, recent, now)?;
        self.store_written(head)?;
        Ok(batch)
    }

    /// Notes how the writes of a batch have ended.
    ///
    /// # Errors
    /// The database's.
    pub fn note_batch(&mut self, ended: Vec<(Write, Result<(), IndexError>)>, now: Timestamp) -> Result<(), R::Error> {
        self.instance.outbox.note(&mut self.rows, ended, now)?;
        match self.rows.head()? {
            Some(head) => self.store_written(head),
            None => Ok(()),
        }
    }

    fn store_written(&mut self, head: Head) -> Result<(), R::Error> {
        if !self.instance.outbox.is_worth_storing(&head) {
            return Ok(());
        }
        let written = self.instance.outbox.written(&head);
        self.rows.set_head(&Head { written, ..head })
    }

    /// Where a listing of Workers KV goes on that is due; `None` when everything is imported.
    ///
    /// # Errors
    /// The database's.
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

    /// Begins the listing of Workers KV again from its start.
    ///
    /// # Errors
    /// The database's.
    pub fn restart_import(&mut self) -> Result<(), R::Error> {
        match self.rows.head()? {
            Some(head) => self.rows.set_head(&Head { import: None, ..head }),
            None => Ok(()),
        }
    }

    /// Records a page of a listing of Workers KV: keys, and what their metadata says. Whether that was the last page.
    ///
    /// # Errors
    /// The database's; then [`Self::forget_instance`].
    pub fn note_import(&mut self, import: &Import, page: Listed, now: Timestamp) -> Result<bool, R::Error> {
        let Some(mut head) = self.rows.head()? else { return Ok(true) };
        self.instance.recent.update(&self.rows, &head)?;
        let cut_offs = self.rows.cut_offs()?;
        for ListedEntry { key, stored, expires_at } in &page.entries {
            let Some((issuer, scope, digest)) = Digest::of_key(key) else { continue };
            let unreadable = || Limits { cut_off: None, expires_at: expires_at.unwrap_or(now.plus(UNREADABLE_FOR)) };
            let limits = stored.map_or_else(unreadable, |stored| stored.limits());
            let widest = Revocation {
                digest,
                issuer: issuer.to_owned(),
                scope,
                revoked_at: now,
                cut_off: limits.cut_off,
                expires_at: limits.expires_at,
                spare: Duration::ZERO,
            };
            let is_ours = shard_of(scope, &digest, head.shards) == head.shard;
            if is_ours && !LogEntry::of(&widest).is_over(now) {
                let known = self.find_among(&head, &digest, &cut_offs)?.map(|entry| entry.limits);
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

    /// Seals, merges and removes, a bit at a time.
    ///
    /// # Errors
    /// The database's; then [`Self::forget_instance`].
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
            self.adopt(head, now)?;
            return Ok(Step::More);
        }
        if remove_some(&mut self.rows)?
            || self.drop_runs(&head, now)?
            || self.trim(&head, now)?
            || self.set_aside(&head, now)?
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
        // What is not written yet waits.
        let upto = outbox.written(head).min(head.latest).min(most_sealed(head, self.sizes));
        if upto.saturating_sub(head.sealed) < u64::try_from(self.sizes.sealed).unwrap_or(u64::MAX) / 2 {
            return Ok(None);
        }
        Job::seal(&mut self.rows, runs, recent, upto, self.sizes, now).map(Some)
    }

    /// Makes entries pending that Workers KV has not taken for long, so that they can be sealed.
    fn set_aside(&mut self, head: &Head, now: Timestamp) -> Result<bool, R::Error> {
        let Instance { recent, outbox, .. } = &mut self.instance;
        let most = most_sealed(head, self.sizes);
        let written = outbox.written(head).max(head.sealed);
        if head.latest < most || written >= most {
            return Ok(false);
        }
        outbox.set_aside(&mut self.rows, head, recent, most.min(written.saturating_add(SET_ASIDE_AT_ONCE)), now)?;
        Ok(true)
    }

    /// Makes the outcome of the job the current directory, in one transaction.
    fn adopt(&mut self, head: Head, now: Timestamp) -> Result<(), R::Error> {
        let Some(job) = self.instance.job.take() else { return Ok(()) };
        let sealed = job.seals_upto.unwrap_or(head.sealed);
        job.adopt(&mut self.rows, &mut self.instance.runs)?;
        self.seal(head, sealed, now)
    }

    /// Takes the log up to a version away, since it is in runs or over, and names the new directory.
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

    /// Drops the runs and the cut-offs that are over.
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

    /// Removes the first entries of the log when they have been over for long: a small log is never sealed.
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

    /// Whether an answer has left something to do for which an alarm may have to be set, other than a record. Says so once.
    pub fn takes_new_work(&mut self) -> bool {
        std::mem::take(&mut self.instance.has_new_work)
    }

    /// When there is something to do beside answering, `None` when there is nothing.
    ///
    /// # Errors
    /// The database's.
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
        let outbox = self.instance.outbox.next(&self.rows, head, now)?;
        let is_written = self.instance.outbox.written(head) > head.sealed;
        let trim = self.trim_at().filter(|_| is_written).map(|at| at.max(now));
        let import = head.is_importing().then(|| head.import_after.max(now));
        Ok([runs, cut_offs, outbox, trim, import].into_iter().flatten().min())
    }
}

/// Up to which version the log is sealed at most by one job.
fn most_sealed(head: &Head, sizes: Sizes) -> u64 {
    head.sealed.saturating_add(u64::try_from(sizes.sealed.saturating_mul(2)).unwrap_or(u64::MAX))
}

/// When a listing of Workers KV may begin that is to find everything that was written without the ledger.
fn import_after(head: &Head, setup: Setup) -> Timestamp {
    let written_until = setup.kv_written_until.unwrap_or(head.complete_since);
    head.complete_since.max(written_until).plus(setup.settling)
}

impl Head {
    /// Whether Workers KV may hold revocations that the ledger lacks.
    fn is_importing(&self) -> bool {
        self.imported_since.is_none_or(|since| since < self.import_after)
    }
}
