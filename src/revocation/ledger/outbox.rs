//! The outbox: it writes every revocation to Workers KV until that succeeds, across restarts.
//!
//! Entries of the log are handed out in their order; `written` in the head says up to where they are done. An entry
//! that cannot be written becomes a pending one, which is tried again by itself and holds up nobody. Two writes of one
//! key are never under way at the same time, and a later one never says less than an earlier one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::key::Digest;
use super::super::record::Revocation;
use super::log::RecentLog;
use super::rows::{Head, LogRow, PendingEntry, Rows};
use crate::ports::IndexError;
use crate::time::Timestamp;

/// How long revocations gather before they are written together.
pub const GATHERING: Duration = Duration::from_millis(200);
/// How long one write is waited for.
pub const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// How long a write that was given up may still arrive.
const LATE_WRITE: Duration = Duration::from_mins(1).saturating_add(WRITE_LIMIT);
/// So many retries that fail say nothing of other keys.
const FEW_RETRIES: usize = 3;
/// The most entries of one batch. It is written with six connections of its own; the larger it is, the less the slowest
/// entry counts.
pub const BATCH: usize = 96;
/// How many entries of the log are read at once.
const ROWS_AT_ONCE: usize = 48;
/// How many batches are under way at most: 30 writes at once.
pub const BATCHES: usize = 5;
/// The pauses after failures: the first one, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// The longest that a pending entry waits.
pub const LONGEST_WAIT: Duration = Duration::from_mins(10);
/// After so many entries `written` is stored, also when there is more to do.
const STORE_AFTER: u64 = 200;

/// One write that is to be made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Write {
    /// What is written.
    pub revocation: Revocation,
    /// Which entry of the log it belongs to; a pending one otherwise.
    version: Option<u64>,
    /// How often it has failed before.
    failures: u32,
    /// When it was handed out.
    pub began_at: Timestamp,
    /// Until when an earlier write, whose end is not known, may still arrive and replace this one.
    uncertain_until: Timestamp,
}

/// What an instance of the object knows of writes under way. What is lost with it is written again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Outbox {
    /// The last version that was handed out, once one was.
    handed_out: Option<u64>,
    /// Versions that were handed out, with the number of their writes that are under way.
    open: BTreeMap<u64, u8>,
    /// Digests that are being written.
    busy: BTreeSet<Digest>,
    /// While no write succeeds at all, how often that was so, and until when nothing is written.
    failures: u32,
    paused_until: Option<Timestamp>,
    /// The last version from before this instance. Whether it was being written then is not known.
    inherited_upto: Option<u64>,
    /// When this instance first looked for something to write.
    began_at: Option<Timestamp>,
}

impl Outbox {
    /// The next batch to write; empty when nothing is due.
    pub fn take<R: Rows>(
        &mut self,
        rows: &mut R,
        head: &Head,
        recent: &RecentLog,
        now: Timestamp,
    ) -> Result<Vec<Write>, R::Error> {
        let began_at = *self.began_at.get_or_insert(now);
        if self.is_paused(now) {
            return Ok(Vec::new());
        }
        let mut batch = Vec::new();
        // Those that are being written are among them.
        self.take_pending(rows, began_at, now, &mut batch)?;
        while batch.len() < BATCH.wrapping_div(2) {
            let after = self.handed_out.unwrap_or(head.written).max(head.written).max(head.sealed);
            let rows_after = rows.rows_after(after, ROWS_AT_ONCE)?;
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
            // What was handed out may have become pending, and be due.
            self.take_pending(rows, began_at, now, &mut batch)?;
        }
        Ok(batch)
    }

    fn take_pending<R: Rows>(
        &mut self,
        rows: &mut R,
        began_at: Timestamp,
        now: Timestamp,
        batch: &mut Vec<Write>,
    ) -> Result<(), R::Error> {
        for entry in rows.pending_due(now, BATCH.saturating_add(self.busy.len()))? {
            if entry.revocation.expires_at <= now {
                rows.remove_pending(&entry.revocation.digest)?;
            } else if batch.len() < BATCH && self.busy.insert(entry.revocation.digest) {
                let PendingEntry { revocation, failures, due_at, uncertain_until } = entry;
                let inherited = if due_at <= began_at { began_at.plus(LATE_WRITE) } else { uncertain_until };
                let uncertain_until = uncertain_until.max(inherited);
                batch.push(Write { revocation, version: None, failures, began_at: now, uncertain_until });
            }
        }
        Ok(())
    }

    fn is_paused(&self, now: Timestamp) -> bool {
        // A pause that ends later than any does is from before the clock was set back.
        self.paused_until.is_some_and(|until| now < until && until <= now.plus(LONGEST_PAUSE))
    }

    /// Notes the last version from before this instance.
    pub fn inherit(&mut self, upto: u64) {
        self.inherited_upto = Some(upto);
    }

    /// Adds the writes of an entry to a batch. Those become pending whose key is being written.
    fn hand_out<R: Rows>(
        &mut self,
        row: &LogRow,
        rows: &mut R,
        recent: &RecentLog,
        now: Timestamp,
        batch: &mut Vec<Write>,
    ) -> Result<(), R::Error> {
        let is_inherited = self.inherited_upto.is_none_or(|upto| row.version <= upto);
        let uncertain_until = if is_inherited { now.plus(LATE_WRITE) } else { now };
        let mut open = 0_u8;
        for revocation in writes(row, recent).filter(|write| write.expires_at > now) {
            if self.busy.contains(&revocation.digest) || rows.pending(&revocation.digest)?.is_some() {
                make_pending(rows, revocation, now)?;
            } else {
                self.busy.insert(revocation.digest);
                open = open.saturating_add(1);
                batch.push(Write {
                    revocation,
                    version: Some(row.version),
                    failures: 0,
                    began_at: now,
                    uncertain_until,
                });
            }
        }
        if open > 0 {
            self.open.insert(row.version, open);
        }
        Ok(())
    }

    /// Notes how the writes of a batch have ended.
    pub fn note<R: Rows>(
        &mut self,
        rows: &mut R,
        ended: Vec<(Write, Result<(), IndexError>)>,
        now: Timestamp,
    ) -> Result<(), R::Error> {
        self.note_health(&ended, now);
        for (write, result) in ended {
            let digest = write.revocation.digest;
            match result {
                Ok(()) => note_written(rows, &write, now)?,
                Err(error) => rows.set_pending(&PendingEntry::after_failure(&write, error, rows, now)?)?,
            }
            self.busy.remove(&digest);
            if let Some(version) = write.version {
                self.close(version);
            }
        }
        Ok(())
    }

    fn note_health(&mut self, ended: &[(Write, Result<(), IndexError>)], now: Timestamp) {
        // Refusals and too many writes of a key say nothing of other keys, and neither do a few keys that fail again.
        let has_failed =
            |result: &Result<(), IndexError>| matches!(result, Err(IndexError::Transient | IndexError::TimedOut));
        let is_new = ended.len() > FEW_RETRIES || ended.iter().any(|(write, _)| write.failures == 0);
        if ended.iter().all(|(_, result)| has_failed(result)) && is_new && !ended.is_empty() {
            // Batches that were sent before the pause began say nothing new.
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

    fn close(&mut self, version: u64) {
        let left = self.open.get(&version).map_or(0, |open| open.saturating_sub(1));
        if left == 0 {
            self.open.remove(&version);
        } else {
            self.open.insert(version, left);
        }
    }

    /// Up to which version entries are written or pending.
    pub fn written(&self, head: &Head) -> u64 {
        let first_open = self.open.keys().next().map(|version| version.saturating_sub(1));
        first_open.or(self.handed_out).unwrap_or(head.written).max(head.written)
    }

    /// Whether `written` is worth storing now.
    pub fn is_worth_storing(&self, head: &Head) -> bool {
        let written = self.written(head);
        written > head.written && (self.open.is_empty() || written.saturating_sub(head.written) >= STORE_AFTER)
    }

    /// Makes the next entries up to a version pending that are not written, so that the log need not keep them.
    pub fn set_aside<R: Rows>(
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
        self.open.retain(|version, _| *version > upto);
        Ok(())
    }

    /// When there is next something to write, while nothing is under way.
    pub fn next<R: Rows>(&self, rows: &R, head: &Head, now: Timestamp) -> Result<Option<Timestamp>, R::Error> {
        let is_behind = self.handed_out.unwrap_or(head.written).max(head.written) < head.latest;
        // What is due later than any pause is from before the clock was set back.
        let pending = rows.next_pending()?.map(|at| if at > now.plus(LONGEST_WAIT) { now } else { at });
        let next = [is_behind.then_some(now), pending].into_iter().flatten().min();
        let paused_until = self.paused_until.filter(|_| self.is_paused(now));
        Ok(next.map(|next| paused_until.map_or(next, |until| until.max(next))))
    }
}

/// What an entry of the log has to write.
fn writes(row: &LogRow, recent: &RecentLog) -> impl Iterator<Item = Revocation> {
    let widest = row.logout.widest.clone();
    // The latest that is known of the digest, so that replaying the log narrows nothing.
    let known = recent.find(&widest.digest).map(|(_, entry)| entry.limits);
    let limits = known.map_or(widest.limits(), |known| known.widened_by(&widest.limits()));
    let all = [Some(widest.within(limits)), row.logout.of_token()];
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
    /// This entry once more was recorded under its digest. What is only written again in case that waits no longer.
    fn replaced_by(&self, revocation: &Revocation, now: Timestamp) -> Self {
        let limits = self.revocation.limits().widened_by(&revocation.limits());
        let is_same = limits == self.revocation.limits();
        let due_at = if is_same || self.failures > 0 { self.due_at } else { self.due_at.min(now) };
        Self { revocation: revocation.clone().within(limits), due_at, ..*self }
    }

    fn after_failure<R: Rows>(write: &Write, error: IndexError, rows: &R, now: Timestamp) -> Result<Self, R::Error> {
        let may_arrive = error == IndexError::TimedOut;
        let late = if may_arrive { now.plus(LATE_WRITE) } else { write.uncertain_until };
        let entry = Self {
            revocation: write.revocation.clone(),
            failures: write.failures.saturating_add(1),
            due_at: now.plus(pause(write.failures)),
            uncertain_until: late.max(write.uncertain_until),
        };
        // It may have been widened meanwhile.
        let stored = rows.pending(&write.revocation.digest)?;
        Ok(stored.map_or(entry.clone(), |stored| entry.replaced_by(&stored.revocation, now)))
    }
}

/// A pending entry that was widened while it was written stays. While an earlier write may still arrive the entry stays
/// as well, and is written again then.
fn note_written<R: Rows>(rows: &mut R, write: &Write, now: Timestamp) -> Result<(), R::Error> {
    let digest = &write.revocation.digest;
    let pending = rows.pending(digest)?;
    // What lands before an earlier write does is replaced by it, whenever its own end is known.
    if write.uncertain_until > write.began_at {
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

/// The pause after so many failures before.
fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1_u32.wrapping_shl(failures.min(8))).min(LONGEST_PAUSE)
}
