//! The outbox writes every revocation to Workers KV and retries until that succeeds, across restarts.
//!
//! It takes log entries in order. [`Head::written`] is the version up to which entries are done. A failed write moves
//! to the pending table, where it is retried separately and does not delay later entries. There is at most one write
//! per key in flight, and a later write of a key never revokes less than an earlier one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::key::Digest;
use super::super::record::Revocation;
use super::log::RecentLog;
use super::rows::{Head, LogRow, PendingEntry, Rows};
use crate::ports::IndexError;
use crate::time::Timestamp;

/// How long revocations are collected into a batch.
pub const GATHERING: Duration = Duration::from_millis(200);
/// Timeout of one write.
pub const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// How long a write that timed out may still reach KV.
const LATE_WRITE_LIMIT: Duration = Duration::from_mins(1).saturating_add(WRITE_LIMIT);
/// A batch of only this many failed retries does not pause the outbox: the fault may lie in their keys.
const MAX_ISOLATED_RETRIES: usize = 3;
/// The maximum number of entries in a batch. An invocation writes a batch over its six connections; in a larger batch
/// the slowest write matters less.
pub const BATCH: usize = 96;
/// How many log entries one query reads.
const READ_BATCH: usize = 48;
/// The maximum number of batches in flight, which makes 30 concurrent writes.
pub const BATCHES: usize = 5;
/// The first and the longest pause after failures.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// The longest delay of a pending write.
pub const LONGEST_WAIT: Duration = Duration::from_mins(10);
/// `written` is stored at least once per this many entries.
const STORE_INTERVAL: u64 = 200;

/// One Workers KV write.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Write {
    /// The revocation to write.
    pub revocation: Revocation,
    /// The version of the log entry; `None` for a pending write.
    version: Option<u64>,
    /// The number of failed attempts so far.
    failures: u32,
    /// When the write was handed out.
    pub started_at: Timestamp,
    /// Until when an earlier write that timed out may still reach KV and overwrite this one.
    uncertain_until: Timestamp,
}

/// The in-memory state of writes in flight. After a restart those writes are repeated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Outbox {
    /// The last version that was handed out by this instance.
    handed_out: Option<u64>,
    /// Versions with writes in flight, and how many.
    in_flight: BTreeMap<u64, u8>,
    /// Digests with a write in flight.
    digests_in_flight: BTreeSet<Digest>,
    /// The number of consecutive batches without a success, and the end of the current pause.
    failures: u32,
    paused_until: Option<Timestamp>,
    /// The last version recorded by an earlier instance, whose writes may still be in flight.
    inherited_upto: Option<u64>,
    /// When this instance first looked for writes.
    started_at: Option<Timestamp>,
}

impl Outbox {
    /// The next batch of writes; empty when none is due.
    pub fn take_batch<R: Rows>(
        &mut self,
        rows: &mut R,
        head: &Head,
        recent: &RecentLog,
        now: Timestamp,
    ) -> Result<Vec<Write>, R::Error> {
        let started_at = *self.started_at.get_or_insert(now);
        if self.is_paused(now) {
            return Ok(Vec::new());
        }
        let mut batch = Vec::new();
        self.take_pending(rows, started_at, now, &mut batch)?;
        while batch.len() < BATCH.wrapping_div(2) {
            let after = self.handed_out.unwrap_or(head.written).max(head.written).max(head.sealed);
            let rows_after = rows.rows_after(after, READ_BATCH)?;
            for row in &rows_after {
                if batch.len() >= BATCH.saturating_sub(1) {
                    return Ok(batch);
                }
                self.hand_out(row, rows, recent, now, &mut batch)?;
                self.handed_out = Some(row.version);
            }
            if rows_after.is_empty() {
                break;
            }
        }
        if batch.is_empty() {
            // `hand_out` may have moved entries to the pending table.
            self.take_pending(rows, started_at, now, &mut batch)?;
        }
        Ok(batch)
    }

    fn take_pending<R: Rows>(
        &mut self,
        rows: &mut R,
        started_at: Timestamp,
        now: Timestamp,
        batch: &mut Vec<Write>,
    ) -> Result<(), R::Error> {
        for entry in rows.pending_due(now, BATCH.saturating_add(self.digests_in_flight.len()))? {
            if entry.revocation.expires_at <= now {
                rows.remove_pending(&entry.revocation.digest)?;
            } else if batch.len() < BATCH && self.digests_in_flight.insert(entry.revocation.digest) {
                let PendingEntry { revocation, failures, due_at, uncertain_until } = entry;
                let inherited = if due_at <= started_at { started_at.plus(LATE_WRITE_LIMIT) } else { uncertain_until };
                let uncertain_until = uncertain_until.max(inherited);
                batch.push(Write { revocation, version: None, failures, started_at: now, uncertain_until });
            }
        }
        Ok(())
    }

    fn is_paused(&self, now: Timestamp) -> bool {
        // A pause that ends later than the longest pause was set before the clock was set back.
        self.paused_until.is_some_and(|until| now < until && until <= now.plus(LONGEST_PAUSE))
    }

    /// Sets the last version that an earlier instance recorded.
    pub fn set_inherited(&mut self, upto: u64) {
        self.inherited_upto = Some(upto);
    }

    /// Adds the writes of a log entry to a batch. A write becomes pending if its key has another write in flight.
    fn hand_out<R: Rows>(
        &mut self,
        row: &LogRow,
        rows: &mut R,
        recent: &RecentLog,
        now: Timestamp,
        batch: &mut Vec<Write>,
    ) -> Result<(), R::Error> {
        let is_inherited = self.inherited_upto.is_none_or(|upto| row.version <= upto);
        let uncertain_until = if is_inherited { now.plus(LATE_WRITE_LIMIT) } else { now };
        let mut in_flight = 0_u8;
        for revocation in writes(row, recent).filter(|write| write.expires_at > now) {
            if self.digests_in_flight.contains(&revocation.digest) || rows.pending(&revocation.digest)?.is_some() {
                make_pending(rows, revocation, now)?;
            } else {
                self.digests_in_flight.insert(revocation.digest);
                in_flight = in_flight.saturating_add(1);
                batch.push(Write {
                    revocation,
                    version: Some(row.version),
                    failures: 0,
                    started_at: now,
                    uncertain_until,
                });
            }
        }
        if in_flight > 0 {
            self.in_flight.insert(row.version, in_flight);
        }
        Ok(())
    }

    /// Records the results of a batch.
    pub fn record_results<R: Rows>(
        &mut self,
        rows: &mut R,
        ended: Vec<(Write, Result<(), IndexError>)>,
        now: Timestamp,
    ) -> Result<(), R::Error> {
        self.update_pause(&ended, now);
        for (write, result) in ended {
            let digest = write.revocation.digest;
            match result {
                Ok(()) => settle_pending(rows, &write, now)?,
                Err(error) => rows.set_pending(&PendingEntry::after_failure(&write, error, rows, now)?)?,
            }
            self.digests_in_flight.remove(&digest);
            if let Some(version) = write.version {
                self.finish_write(version);
            }
        }
        Ok(())
    }

    fn update_pause(&mut self, ended: &[(Write, Result<(), IndexError>)], now: Timestamp) {
        // Only transient errors and timeouts indicate that KV as a whole is failing.
        let is_outage =
            |result: &Result<(), IndexError>| matches!(result, Err(IndexError::Transient | IndexError::TimedOut));
        let is_new = ended.len() > MAX_ISOLATED_RETRIES || ended.iter().any(|(write, _)| write.failures == 0);
        if ended.iter().all(|(_, result)| is_outage(result)) && is_new && !ended.is_empty() {
            // The batch was sent before the pause started.
            if self.is_paused(now) {
                return;
            }
            self.paused_until = Some(now.plus(pause(self.failures)));
            self.failures = self.failures.saturating_add(1);
        } else if ended.iter().any(|(_, result)| result.is_ok()) {
            self.failures = 0;
            self.paused_until = None;
        }
    }

    fn finish_write(&mut self, version: u64) {
        let left = self.in_flight.get(&version).map_or(0, |in_flight| in_flight.saturating_sub(1));
        if left == 0 {
            self.in_flight.remove(&version);
        } else {
            self.in_flight.insert(version, left);
        }
    }

    /// The version up to which all entries are written or pending.
    pub fn written(&self, head: &Head) -> u64 {
        let first_open = self.in_flight.keys().next().map(|version| version.saturating_sub(1));
        first_open.or(self.handed_out).unwrap_or(head.written).max(head.written)
    }

    /// Whether to store `written` now.
    pub fn should_store_written(&self, head: &Head) -> bool {
        let written = self.written(head);
        written > head.written && (self.in_flight.is_empty() || written.saturating_sub(head.written) >= STORE_INTERVAL)
    }

    /// Moves unwritten entries up to a version to the pending table, so that the log can be sealed.
    pub fn defer_unwritten<R: Rows>(
        &mut self,
        rows: &mut R,
        head: &Head,
        recent: &RecentLog,
        upto: u64,
        now: Timestamp,
    ) -> Result<(), R::Error> {
        let after = self.written(head).max(head.sealed);
        let count = usize::try_from(upto.saturating_sub(after)).unwrap_or(0);
        for row in rows.rows_after(after, count)? {
            for revocation in writes(&row, recent).filter(|write| write.expires_at > now) {
                make_pending(rows, revocation, now)?;
            }
        }
        self.handed_out = Some(self.handed_out.unwrap_or(head.written).max(upto));
        self.in_flight.retain(|version, _| *version > upto);
        Ok(())
    }

    /// When the next write is due, provided that none is in flight.
    pub fn next_due<R: Rows>(&self, rows: &R, head: &Head, now: Timestamp) -> Result<Option<Timestamp>, R::Error> {
        let is_behind = self.handed_out.unwrap_or(head.written).max(head.written) < head.latest;
        // An entry due later than the longest wait was stored before the clock was set back.
        let pending = rows.next_pending()?.map(|at| if at > now.plus(LONGEST_WAIT) { now } else { at });
        let next = [is_behind.then_some(now), pending].into_iter().flatten().min();
        let paused_until = self.paused_until.filter(|_| self.is_paused(now));
        Ok(next.map(|next| paused_until.map_or(next, |until| until.max(next))))
    }
}

/// The Workers KV writes of a log entry.
fn writes(row: &LogRow, recent: &RecentLog) -> impl Iterator<Item = Revocation> {
    let widest = row.logout.widest.clone();
    // Use the widest known limits: replaying an old entry must not narrow a newer one.
    let known = recent.find(&widest.digest).map(|(_, entry)| entry.limits);
    let limits = known.map_or(widest.limits(), |known| known.widened_by(&widest.limits()));
    let all = [Some(widest.within(limits)), row.logout.token_revocation()];
    all.into_iter().flatten().filter(|_| !row.is_imported)
}

fn make_pending<R: Rows>(rows: &mut R, revocation: Revocation, now: Timestamp) -> Result<(), R::Error> {
    let entry = match rows.pending(&revocation.digest)? {
        Some(pending) => pending.replaced_by(&revocation, now),
        None => PendingEntry { revocation, failures: 0, due_at: now, uncertain_until: now },
    };
    rows.set_pending(&entry)
}

impl PendingEntry {
    /// This entry, widened by another revocation of the same digest. It becomes due now, unless it is unchanged or
    /// failing.
    fn replaced_by(&self, revocation: &Revocation, now: Timestamp) -> Self {
        let limits = self.revocation.limits().widened_by(&revocation.limits());
        let is_same = limits == self.revocation.limits();
        let due_at = if is_same || self.failures > 0 { self.due_at } else { self.due_at.min(now) };
        Self { revocation: revocation.clone().within(limits), due_at, ..*self }
    }

    fn after_failure<R: Rows>(write: &Write, error: IndexError, rows: &R, now: Timestamp) -> Result<Self, R::Error> {
        let may_arrive = error == IndexError::TimedOut;
        let late = if may_arrive { now.plus(LATE_WRITE_LIMIT) } else { write.uncertain_until };
        let entry = Self {
            revocation: write.revocation.clone(),
            failures: write.failures.saturating_add(1),
            due_at: now.plus(pause(write.failures)),
            uncertain_until: late.max(write.uncertain_until),
        };
        // The stored entry may have been widened in the meantime.
        let stored = rows.pending(&write.revocation.digest)?;
        Ok(stored.map_or(entry.clone(), |stored| entry.replaced_by(&stored.revocation, now)))
    }
}

/// Removes the pending entry of a successful write. It stays if it was widened in the meantime. It also stays, and is
/// written again later, while an earlier write may still overwrite this one.
fn settle_pending<R: Rows>(rows: &mut R, write: &Write, now: Timestamp) -> Result<(), R::Error> {
    let digest = &write.revocation.digest;
    let pending = rows.pending(digest)?;
    if write.uncertain_until > write.started_at {
        let (revocation, until) = (write.revocation.clone(), write.uncertain_until);
        let again = PendingEntry { revocation, failures: 0, due_at: until, uncertain_until: until };
        return rows.set_pending(&pending.map_or(again.clone(), |pending| again.replaced_by(&pending.revocation, now)));
    }
    match pending.filter(|_| write.version.is_none()) {
        Some(pending) if pending.revocation.limits() == write.revocation.limits() => rows.remove_pending(digest),
        Some(pending) => rows.set_pending(&PendingEntry { failures: 0, ..pending }),
        None => Ok(()),
    }
}

/// The pause after this many earlier failures.
fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1_u32.wrapping_shl(failures.min(8))).min(LONGEST_PAUSE)
}
