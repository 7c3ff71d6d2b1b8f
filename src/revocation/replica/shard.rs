//! An isolate's replica of one shard: the segments up to a version, and every entry after it.

use std::time::Duration;

use super::super::key::Prefix;
use super::super::ledger::{Position, SyncQuestion, Synced};
use super::entries::Entries;
use super::segments::{SegmentLookup, Segments};
use crate::ports::LedgerError;
use crate::time::Timestamp;

/// The maximum number of unsealed entries that an isolate holds, over all shards: about 5 MB.
pub(super) const MAX_ENTRIES: usize = 100_000;
/// The guaranteed capacity per shard: more unsealed entries than a shard normally has.
pub(super) const MIN_ENTRIES_PER_SHARD: usize = 16_384;
/// After this time another sync may start in parallel: the first one's request may have been canceled.
const SLOW_SYNC: Duration = Duration::from_millis(600);
/// After this time a sync counts as canceled.
const SYNC_LIMIT: Duration = Duration::from_secs(12);
/// The maximum number of concurrent syncs of a shard.
const MAX_SYNCS: usize = 4;
/// How long a shard is not synced after its log turned out to be too large for an isolate.
const TOO_LARGE_RETRY: Duration = Duration::from_secs(20);

/// The replica of one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ShardReplica {
    /// Incremented each time the replica starts over. Answers and confirmations of older generations are ignored.
    pub generation: u64,
    position: Position,
    entries: Entries,
    pub segments: Segments,
    /// The latest complete sync.
    synced: LastSync,
    /// Syncs up to this sequence number started before the clock was set back, so their times are unusable.
    invalidated_upto: u64,
    /// The sequence number of the latest applied answer.
    applied: u64,
    /// Whether bounded checks use this shard. If so, it is synced in the background.
    pub is_followed: bool,
    /// Whether the shard is importing, so that Workers KV must be read as well.
    pub is_importing: bool,
    /// The syncs in flight: their sequence numbers and start times.
    syncs: Vec<(u64, Timestamp)>,
    /// The sequence number and the error of the latest failed sync.
    failed: Option<(u64, LedgerError)>,
    /// The number of consecutive failed syncs.
    failures: u32,
    /// When the log was last found to be too large for an isolate.
    too_large_at: Option<Timestamp>,
    /// A random delay of the next background sync, so that isolates that share an answer do not sync at the same time.
    pub jitter: u8,
}

/// The latest complete sync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct LastSync {
    /// The sequence number; 0 before the first sync.
    number: u64,
    /// When its first page was requested; `None` after the clock was set back.
    at: Option<Timestamp>,
}

/// How recent the sync must be that a check relies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Required {
    /// Requested after this sequence number.
    After(u64),
    /// Requested at this time or later, or after this sequence number. The number matters if the clock is set back.
    Since(Timestamp, u64),
}

/// A question sent to a shard, with what is needed to apply its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SentQuestion {
    pub number: u64,
    pub generation: u64,
    pub question: SyncQuestion,
}

/// The result of applying an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// The replica has reached the end of the log.
    Fully,
    /// More pages follow.
    Partly,
    /// Ignored: a later answer was applied first, or the replica has started over.
    Late,
    /// Entries are missing between the replica and the answer. The replica has started over.
    Gap,
    /// The log has more entries than an isolate holds. The replica has started over.
    TooLarge,
}

impl ShardReplica {
    /// An empty replica.
    pub fn of_generation(generation: u64) -> Self {
        Self { generation, ..Self::default() }
    }

    /// The next question to the shard.
    pub fn ask(&self, number: u64, overlap: u32) -> SentQuestion {
        let directory = self.segments.latest_directory();
        let question = SyncQuestion { at: self.position, directory, overlap };
        SentQuestion { number, generation: self.generation, question }
    }

    /// Up to where the replica has every entry.
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Starts over with an empty replica of the next generation. Cached lookups and answers in flight become invalid.
    pub fn start_over(&mut self) {
        let generation = self.generation.saturating_add(1);
        let syncs = std::mem::take(&mut self.syncs);
        let segments = self.segments.start_over();
        let Self { failed, failures, too_large_at, jitter, invalidated_upto, is_followed, .. } = *self;
        *self = Self {
            generation,
            segments,
            invalidated_upto,
            is_followed,
            syncs,
            failed,
            failures,
            too_large_at,
            jitter,
            ..Self::default()
        };
    }

    /// Applies an answer. To see whether the segments have changed, compare `segments.directory`.
    pub fn apply(&mut self, synced: &Synced, asked: &SentQuestion, max_entries: usize) -> Applied {
        if asked.generation != self.generation || asked.number < self.applied {
            return Applied::Late;
        }
        // The shard verified the position in the question, but another answer has moved it since. If the lineage
        // differs, the newer entries may have been lost in a restore.
        if asked.question.at != self.position && synced.lineage != self.position.lineage {
            return Applied::Late;
        }
        let sealed = synced.directory.as_ref().map_or(self.segments.sealed, |directory| directory.sealed);
        let knows_directory = synced.directory.is_some() || synced.directory_id == self.segments.latest_directory();
        // The segments must reach the first held entry, and the answer must start at or before the last one: no gap.
        let has_no_gap = sealed >= self.first() && synced.after <= self.position.version.max(sealed);
        let is_later = synced.upto >= self.position.version && synced.upto >= sealed;
        // The answer was overtaken by another one.
        if synced.lineage == self.position.lineage && !(knows_directory && is_later) {
            return Applied::Late;
        }
        if !(knows_directory && has_no_gap && is_later) {
            self.start_over();
            return Applied::Gap;
        }
        // The held segments stay usable while the filters of the new directory are loaded, so no check has to wait for
        // them.
        let can_keep_segments =
            self.segments.is_complete() && synced.after <= self.position.version && self.position.version > 0;
        let entries = if can_keep_segments {
            if let Some(directory) = &synced.directory {
                self.segments.prepare(synced.directory_id, directory, self.jitter);
            }
            self.append(synced, self.segments.sealed)
        } else {
            if let Some(directory) = &synced.directory {
                self.segments.replace(synced.directory_id, directory);
            }
            self.append(synced, sealed)
        };
        if entries > max_entries {
            self.start_over();
            // Checks now ask the shard directly, and read Workers KV while it imports.
            self.is_importing = synced.is_importing;
            return Applied::TooLarge;
        }
        self.applied = asked.number;
        // Imported entries may be on pages that follow.
        self.is_importing = synced.is_importing || (self.is_importing && !synced.is_complete);
        if synced.is_complete { Applied::Fully } else { Applied::Partly }
    }

    /// The version before the first held entry.
    fn first(&self) -> u64 {
        self.position.version.saturating_sub(size(self.entries.len()))
    }

    /// Switches to the prepared directory if it is ready. Returns whether it was.
    pub fn switch_directory(&mut self, left: usize, now: Timestamp) -> bool {
        let is_taken = self.segments.switch_directory(left, now);
        if is_taken {
            self.entries.remove_first(count(self.segments.sealed.saturating_sub(self.first())));
        }
        is_taken
    }

    /// Appends the new entries of an answer. Returns the number of held entries.
    fn append(&mut self, synced: &Synced, sealed: u64) -> usize {
        self.entries.remove_first(count(sealed.saturating_sub(self.first())));
        let known = self.position.version.max(sealed);
        for entry in synced.entries.iter().skip(count(known.saturating_sub(synced.after))) {
            self.entries.push(*entry);
        }
        self.position = Position { lineage: synced.lineage, version: synced.upto };
        self.entries.len()
    }

    /// Applies an answer shared by another isolate if it continues this replica's entries. Returns whether it did.
    pub fn apply_shared(&mut self, synced: &Synced, at: Timestamp, max_entries: usize) -> bool {
        let is_ours =
            synced.lineage == self.position.lineage && synced.directory_id == self.segments.latest_directory();
        let continues = synced.after <= self.position.version && synced.upto >= self.position.version;
        let is_small = self.entries.len().saturating_add(synced.entries.len()) <= max_entries;
        if !(is_ours && continues && is_small && synced.is_complete && self.synced.at.is_some_and(|own| own < at)) {
            return false;
        }
        self.append(synced, self.segments.sealed);
        self.is_importing |= synced.is_importing;
        self.is_followed = true;
        self.synced.at = Some(at);
        true
    }

    /// Records a complete sync. `at` is when its first page was requested.
    pub fn note_synced(&mut self, number: u64, at: Timestamp) {
        self.synced.number = self.synced.number.max(number);
        if number > self.invalidated_upto {
            self.synced.at = Some(self.synced.at.map_or(at, |known| known.max(at)));
        }
        (self.failures, self.too_large_at) = (0, None);
    }

    /// Records that the log has more entries than an isolate holds.
    pub fn note_too_large(&mut self, now: Timestamp) {
        self.too_large_at = Some(now);
    }

    /// Whether the log was too large within the last [`TOO_LARGE_RETRY`].
    pub fn is_too_large(&self, now: Timestamp) -> bool {
        self.too_large_at.is_some_and(|at| at <= now && !at.has_passed(TOO_LARGE_RETRY, now))
    }

    /// The sequence number of the latest complete sync; 0 before the first.
    pub const fn synced_number(&self) -> u64 {
        self.synced.number
    }

    /// Breaks a rule, for mutation tests of the model: late answers are not detected.
    pub const fn forget_applied(&mut self) {
        self.applied = 0;
    }

    /// Whether the latest sync is recent enough.
    pub fn is_fresh(&self, required: Required, now: Timestamp) -> bool {
        match required {
            Required::After(number) => self.synced.number > number,
            Required::Since(since, number) => {
                self.synced.number > number || self.synced.at.is_some_and(|at| at >= since && at <= now)
            }
        }
    }

    /// Invalidates all times after the clock was set back. `upto` is the current sequence number.
    pub fn invalidate_times(&mut self, upto: u64) {
        self.invalidated_upto = upto;
        (self.synced.at, self.too_large_at) = (None, None);
        self.syncs.clear();
    }

    /// Registers a sync if no other one is in flight, or all others take too long. Returns whether it may start.
    pub fn begin_sync(&mut self, number: u64, now: Timestamp) -> bool {
        // A canceled request does not always report the end of its sync.
        self.syncs.retain(|(_, began_at)| !began_at.has_passed(SYNC_LIMIT, now));
        let is_slow = |(_, began_at): &(u64, Timestamp)| began_at.has_passed(SLOW_SYNC, now);
        let may_begin = self.syncs.len() < MAX_SYNCS && self.syncs.iter().all(is_slow);
        if may_begin {
            self.syncs.push((number, now));
        }
        may_begin
    }

    /// When the most recent sync in flight started.
    pub fn sync_began_at(&self) -> Option<Timestamp> {
        self.syncs.iter().map(|(_, began_at)| *began_at).max()
    }

    /// Unregisters a sync.
    pub fn end_sync(&mut self, number: u64) {
        self.syncs.retain(|(other, _)| *other != number);
    }

    /// Records a failed sync.
    pub fn note_failure(&mut self, number: u64, error: LedgerError) {
        self.failed = Some((number, error));
        self.failures = self.failures.saturating_add(1);
    }

    /// The error of a sync that started after this sequence number. A first failure that may be transient is not
    /// reported: the caller retries.
    pub fn failure_after(&self, number: u64) -> Option<LedgerError> {
        let (failed, error) = self.failed?;
        let may_be_transient = matches!(error, LedgerError::Retryable | LedgerError::Failed) && self.failures < 2;
        (failed > number && !may_be_transient).then_some(error)
    }

    /// Whether to sync in the background: bounded checks use this shard, and 40 to 50 % of the bound has passed since
    /// the last sync.
    pub fn is_due(&self, bound: Duration, now: Timestamp) -> bool {
        let fifth = bound.checked_div(5).unwrap_or(bound);
        let jitter = fifth.saturating_mul(self.jitter.into()).checked_div(510).unwrap_or_default();
        let due = now.minus(fifth.saturating_mul(2).saturating_add(jitter));
        let is_idle = self.syncs.iter().all(|(_, began_at)| began_at.has_passed(SYNC_LIMIT, now));
        self.is_followed && self.synced.at.is_none_or(|at| at < due) && is_idle
    }

    /// Tokens that match the prefix and were issued up to the returned time are revoked by an entry or an issuer
    /// cut-off.
    pub fn revoked_upto(&self, prefix: &Prefix) -> Option<Timestamp> {
        self.entries.find(prefix).max(self.segments.cut_off(prefix))
    }

    /// Looks a prefix up in the segments.
    pub fn in_segments(&self, prefix: &Prefix, confirmed_upto: u64) -> SegmentLookup {
        self.segments.find(prefix, confirmed_upto)
    }
}

fn size(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn count(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
