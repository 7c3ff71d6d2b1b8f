//! What an isolate knows of one shard of the ledger: segments up to a version, and every entry after it.

use std::time::Duration;

use super::super::key::Prefix;
use super::super::ledger::{Position, SyncQuestion, Synced};
use super::entries::Entries;
use super::segments::{Found, Segments};
use crate::ports::LedgerError;
use crate::time::Timestamp;

/// The most entries after the segments that an isolate holds, of all shards together: 5 MB.
pub(super) const MAX_ENTRIES: usize = 100_000;
/// As many entries as a shard may have before it seals them, and some: so many are held of each shard in any case.
pub(super) const MOST_UNSEALED: usize = 16_384;
/// How long one sync may take before another one is begun beside it: its request may be gone.
const PATIENCE: Duration = Duration::from_millis(600);
/// After so long a sync is taken to be gone.
const GIVEN_UP: Duration = Duration::from_secs(12);
/// The most syncs of a shard at once.
const MAX_SYNCS: usize = 4;
/// How long a log is left alone that has more entries than an isolate holds.
const TOO_LARGE_FOR: Duration = Duration::from_secs(20);

/// A replica of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Shard {
    /// Which replica it is: another one each time that it begins anew.
    pub generation: u64,
    position: Position,
    entries: Entries,
    pub segments: Segments,
    /// When the latest sync was asked for that is applied.
    synced: Synchronized,
    /// Up to this number syncs were asked for before the clock was set back.
    void_upto: u64,
    /// The number of the latest answer that was applied.
    applied: u64,
    /// Whether bounded checks use it, so that it is synced in the background.
    pub is_followed: bool,
    /// Whether Workers KV has to be asked as well.
    pub is_importing: bool,
    /// The syncs that are under way: their numbers, and when they began.
    syncs: Vec<(u64, Timestamp)>,
    /// The number of the latest sync that has failed, and why.
    failed: Option<(u64, LedgerError)>,
    /// How many syncs have failed in a row.
    failures: u32,
    /// When the log last had more entries than an isolate holds.
    too_large_at: Option<Timestamp>,
    /// By how much the next sync in the background is delayed, by chance: isolates of a location that have taken the same
    /// answer must not all ask again in the same moment.
    pub jitter: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Synchronized {
    /// The number of the sync; 0 when there was none.
    number: u64,
    /// When it was asked for; `None` once the clock was set back.
    at: Option<Timestamp>,
}

/// How recent a sync a check relies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Required {
    /// One that was asked for after this number was given.
    After(u64),
    /// One that was asked for at this moment or later. One that was asked for after this number was given will do as well:
    /// the clock may have been set back meanwhile.
    Since(Timestamp, u64),
}

/// What was asked of a shard, so that its answer can be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    pub number: u64,
    pub generation: u64,
    pub question: SyncQuestion,
}

/// How an answer was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// The replica knows everything up to the end of the log.
    Fully,
    /// There are more pages.
    Partly,
    /// A later answer was applied before, or the replica has begun anew since.
    Late,
    /// Something is missing between the replica and the answer: it has begun anew.
    Gap,
    /// The log has more entries than an isolate holds: it has begun anew.
    TooLarge,
}

impl Shard {
    /// A replica that knows nothing yet.
    pub fn of_generation(generation: u64) -> Self {
        Self { generation, ..Self::default() }
    }

    /// What is asked of the shard next.
    pub fn ask(&self, number: u64, overlap: u32) -> Asked {
        let directory = self.segments.latest_directory();
        let question = SyncQuestion { at: self.position, directory, overlap };
        Asked { number, generation: self.generation, question }
    }

    /// What the replica knows everything up to.
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Begins anew: remembered look-ups and answers on their way are void.
    pub fn begin_anew(&mut self) {
        let generation = self.generation.saturating_add(1);
        let syncs = std::mem::take(&mut self.syncs);
        let segments = self.segments.begin_anew();
        let Self { failed, failures, too_large_at, jitter, void_upto, is_followed, .. } = *self;
        *self = Self {
            generation,
            segments,
            void_upto,
            is_followed,
            syncs,
            failed,
            failures,
            too_large_at,
            jitter,
            ..Self::default()
        };
    }

    /// Applies an answer. Whether it changed the segments is told by their directory.
    pub fn apply(&mut self, synced: &Synced, asked: &Asked, most: usize) -> Applied {
        if asked.generation != self.generation || asked.number < self.applied {
            return Applied::Late;
        }
        // The shard has checked the position that it was asked for. Another answer has been applied since: what that has
        // brought may have been lost in a restore.
        if asked.question.at != self.position && synced.lineage != self.position.lineage {
            return Applied::Late;
        }
        let sealed = synced.directory.as_ref().map_or(self.segments.sealed, |directory| directory.sealed);
        let knows_directory = synced.directory.is_some() || synced.directory_id == self.segments.latest_directory();
        // Entries are held from here on. Segments that end before it do not join.
        let is_joined = sealed >= self.first() && synced.after <= self.position.version.max(sealed);
        let is_later = synced.upto >= self.position.version && synced.upto >= sealed;
        // An answer that has crossed another one, asked for before it and given after it.
        if synced.lineage == self.position.lineage && !(knows_directory && is_later) {
            return Applied::Late;
        }
        if !(knows_directory && is_joined && is_later) {
            self.begin_anew();
            return Applied::Gap;
        }
        // What is held is complete, and stays so with the entries of the answer: no check need wait for filters.
        let can_wait =
            self.segments.is_complete() && synced.after <= self.position.version && self.position.version > 0;
        let taken = if can_wait {
            if let Some(directory) = &synced.directory {
                self.segments.prepare(synced.directory_id, directory, self.jitter);
            }
            self.take(synced, self.segments.sealed)
        } else {
            if let Some(directory) = &synced.directory {
                self.segments.replace(synced.directory_id, directory);
            }
            self.take(synced, sealed)
        };
        if taken > most {
            self.begin_anew();
            // Checks ask the shard itself then, and Workers KV while it imports.
            self.is_importing = synced.is_importing;
            return Applied::TooLarge;
        }
        self.applied = asked.number;
        // What was imported may be on the pages that are still to come.
        self.is_importing = synced.is_importing || (self.is_importing && !synced.is_complete);
        if synced.is_complete { Applied::Fully } else { Applied::Partly }
    }

    /// The version before the first entry that is held.
    fn first(&self) -> u64 {
        self.position.version.saturating_sub(size(self.entries.len()))
    }

    /// Takes the directory that was prepared, when it is ready. Whether it was.
    pub fn take_next(&mut self, left: usize, now: Timestamp) -> bool {
        let is_taken = self.segments.take_next(left, now);
        if is_taken {
            self.entries.forget_first(count(self.segments.sealed.saturating_sub(self.first())));
        }
        is_taken
    }

    /// Takes in entries that join. Gives how many entries there are now.
    fn take(&mut self, synced: &Synced, sealed: u64) -> usize {
        self.entries.forget_first(count(sealed.saturating_sub(self.first())));
        let known = self.position.version.max(sealed);
        for entry in synced.entries.iter().skip(count(known.saturating_sub(synced.after))) {
            self.entries.push(*entry);
        }
        self.position = Position { lineage: synced.lineage, version: synced.upto };
        self.entries.len()
    }

    /// Applies an answer that another isolate shares, when it leads on from what is known here. Whether it did.
    pub fn apply_shared(&mut self, synced: &Synced, at: Timestamp, most: usize) -> bool {
        let is_ours =
            synced.lineage == self.position.lineage && synced.directory_id == self.segments.latest_directory();
        let leads_on = synced.after <= self.position.version && synced.upto >= self.position.version;
        let is_small = self.entries.len().saturating_add(synced.entries.len()) <= most;
        if !(is_ours && leads_on && is_small && synced.is_complete && self.synced.at.is_some_and(|own| own < at)) {
            return false;
        }
        self.take(synced, self.segments.sealed);
        self.is_importing |= synced.is_importing;
        self.is_followed = true;
        self.synced.at = Some(at);
        true
    }

    /// Notes that a sync has reached the end of the log.
    pub fn note_synced(&mut self, number: u64, at: Timestamp) {
        self.synced.number = self.synced.number.max(number);
        if number > self.void_upto {
            self.synced.at = Some(self.synced.at.map_or(at, |known| known.max(at)));
        }
        (self.failures, self.too_large_at) = (0, None);
    }

    /// Notes that the log has more entries than an isolate holds.
    pub fn note_too_large(&mut self, now: Timestamp) {
        self.too_large_at = Some(now);
    }

    /// Whether the log had more entries than an isolate holds a moment ago.
    pub fn is_too_large(&self, now: Timestamp) -> bool {
        self.too_large_at.is_some_and(|at| at <= now && !at.has_passed(TOO_LARGE_FOR, now))
    }

    /// The number of the latest sync that reached the end of the log; 0 when there was none.
    pub const fn synced_number(&self) -> u64 {
        self.synced.number
    }

    /// Breaks a rule, for the model's mutations: late answers are not known to be late.
    pub const fn forget_applied(&mut self) {
        self.applied = 0;
    }

    /// Whether a check may rely on the replica.
    pub fn is_fresh(&self, required: Required, now: Timestamp) -> bool {
        match required {
            Required::After(number) => self.synced.number > number,
            Required::Since(since, number) => {
                self.synced.number > number || self.synced.at.is_some_and(|at| at >= since && at <= now)
            }
        }
    }

    /// The clock was set back: how long ago the syncs up to a number were asked for is not known.
    pub fn forget_times(&mut self, upto: u64) {
        self.void_upto = upto;
        (self.synced.at, self.too_large_at) = (None, None);
        self.syncs.clear();
    }

    /// Begins a sync, unless others are under way.
    pub fn begin_sync(&mut self, number: u64, now: Timestamp) -> bool {
        // A request that was stopped never says that its sync has ended.
        self.syncs.retain(|(_, began_at)| !began_at.has_passed(GIVEN_UP, now));
        let is_hanging = |(_, began_at): &(u64, Timestamp)| began_at.has_passed(PATIENCE, now);
        let may_begin = self.syncs.len() < MAX_SYNCS && self.syncs.iter().all(is_hanging);
        if may_begin {
            self.syncs.push((number, now));
        }
        may_begin
    }

    /// When the latest sync began that is under way.
    pub fn sync_began_at(&self) -> Option<Timestamp> {
        self.syncs.iter().map(|(_, began_at)| *began_at).max()
    }

    /// Notes that a sync has ended.
    pub fn end_sync(&mut self, number: u64) {
        self.syncs.retain(|(other, _)| *other != number);
    }

    /// Notes that a sync has failed.
    pub fn note_failure(&mut self, number: u64, error: LedgerError) {
        self.failed = Some((number, error));
        self.failures = self.failures.saturating_add(1);
    }

    /// Why a sync has failed that was begun after this number was given. One lost connection costs nobody an answer.
    pub fn failure_after(&self, number: u64) -> Option<LedgerError> {
        let (failed, error) = self.failed?;
        let is_worth_another = matches!(error, LedgerError::Retryable | LedgerError::Failed) && self.failures < 2;
        (failed > number && !is_worth_another).then_some(error)
    }

    /// Whether bounded checks use it, and it was synced longer ago than about half the bound (0.4 to 0.5).
    pub fn is_due(&self, bound: Duration, now: Timestamp) -> bool {
        let fifth = bound.checked_div(5).unwrap_or(bound);
        let jitter = fifth.saturating_mul(self.jitter.into()).checked_div(510).unwrap_or_default();
        let due = now.minus(fifth.saturating_mul(2).saturating_add(jitter));
        let is_idle = self.syncs.iter().all(|(_, began_at)| began_at.has_passed(GIVEN_UP, now));
        self.is_followed && self.synced.at.is_none_or(|at| at < due) && is_idle
    }

    /// Up to when tokens of a prefix were issued that an entry, or an issuer's cut-off, revokes.
    pub fn revoked_upto(&self, prefix: &Prefix) -> Option<Timestamp> {
        self.entries.find(prefix).max(self.segments.cut_off(prefix))
    }

    /// What the segments say of a prefix.
    pub fn in_segments(&self, prefix: &Prefix, confirmed_upto: u64) -> Found {
        self.segments.find(prefix, confirmed_upto)
    }
}

fn size(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn count(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
