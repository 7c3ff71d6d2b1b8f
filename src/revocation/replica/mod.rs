//! The replica: an isolate's in-memory copy of the ledger, from which nearly every check is answered.
//!
//! Checks and syncs take increasing sequence numbers. A sync serves every check with a lower number. Timestamps cannot
//! order them, because the clock of an isolate stands still between I/O operations. No method keeps a `RefCell`
//! borrowed across an await.

mod entries;
mod own_logouts;
mod segments;
mod shard;
mod snapshot;
mod sync;

use std::cell::{Cell, RefCell};
use std::ops::RangeInclusive;
use std::time::Duration;

use self::own_logouts::OwnLogouts;
use self::segments::{FILTER_BUDGET, SegmentLookup};
use self::shard::{Applied, MAX_ENTRIES, MIN_ENTRIES_PER_SHARD, SentQuestion, ShardReplica};
use super::freshness::Freshness;
use super::key::Digest;
use super::ledger::{Admission, Breaker, Entry, Position, Purpose, Segment, SegmentFilter, Synced};
use super::matching::{Confirmed, Matchable};
use super::record::{Logout, Scope, shard_of};
use super::status::{CheckedStatus, Status};
use crate::ports::LedgerError;
use crate::time::Timestamp;

pub use self::shard::Required;
pub use self::snapshot::Snapshot;
pub use self::sync::{Pages, Shared, SyncError, take_filter};
pub(super) use self::sync::{ensure_fresh, load_segments, refresh};

/// The maximum number of segments loaded concurrently.
const MAX_CONCURRENT_LOADS: usize = 6;
/// How often an isolate looks for segments to load after it found none.
const SEGMENT_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The shortest and the longest delay before a request polls again for the end of another request's sync.
const SYNC_POLL_DELAY: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_millis(150);

/// An isolate's copy of the ledger.
pub struct Replica {
    /// One replica per shard. The ledger may have another number of shards than is configured.
    shards: RefCell<Vec<ShardReplica>>,
    /// Whether shard 0 has confirmed the number of shards.
    is_layout_known: Cell<bool>,
    /// One circuit breaker per shard.
    breakers: RefCell<Vec<Breaker>>,
    own_logouts: RefCell<OwnLogouts>,
    /// The last sequence number of a check or a sync.
    counter: Cell<u64>,
    /// Incremented when a directory changes, which invalidates cached lookups.
    segments_version: Cell<u64>,
    /// The latest time seen, to detect that the clock was set back.
    latest_time: Cell<Timestamp>,
    /// The sequence number at which the clock was last set back.
    invalidated_upto: Cell<u64>,
    /// When there was last no segment to load.
    segments_checked_at: Cell<Timestamp>,
    /// The state of a pseudorandom number generator for jitter.
    rng_state: Cell<u64>,
    /// How long the latest sync took.
    last_sync_duration: Cell<Duration>,
}

/// The result of looking a token up in the replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Lookup {
    /// The token's status.
    Known(Status),
    /// The ledger has no revocation of the token but is importing: Workers KV must be read as well.
    ReadKv,
    /// Segments may contain the token: these shards must confirm.
    Confirm(Vec<Confirmation>),
}

/// A confirmation to request from a shard.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Confirmation {
    /// The number of the shard.
    pub shard: u32,
    /// The generation of the shard's replica.
    pub generation: u64,
    /// The replica's position. The confirmation is valid up to this version.
    pub at: Position,
    /// The digests that may be revoked.
    pub digests: Vec<(Scope, Digest)>,
}

impl Replica {
    /// An empty replica. `shards` is the configured number of shards; 0 without a ledger.
    #[must_use]
    pub fn new(shards: u32) -> Self {
        Self::seeded(shards, getrandom::u64().unwrap_or_default())
    }

    /// An empty replica with a seed for its jitter.
    #[must_use]
    pub fn seeded(shards: u32, seed: u64) -> Self {
        Self {
            shards: RefCell::new((0..shards).map(|_| ShardReplica::default()).collect()),
            is_layout_known: Cell::new(false),
            breakers: RefCell::new((0..shards).map(|_| Breaker::default()).collect()),
            own_logouts: RefCell::default(),
            counter: Cell::new(0),
            segments_version: Cell::new(1),
            latest_time: Cell::new(Timestamp::from_millis(0)),
            invalidated_upto: Cell::new(0),
            segments_checked_at: Cell::new(Timestamp::from_millis(i64::MIN)),
            rng_state: Cell::new(seed),
            last_sync_duration: Cell::new(Duration::ZERO),
        }
    }

    /// A random byte for jitter, not for secrets: the high byte of a linear congruential generator (Knuth's MMIX).
    fn random_byte(&self) -> u8 {
        let next = self.rng_state.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.rng_state.set(next);
        next.to_be_bytes()[0]
    }

    /// The number of shards: the configured one until shard 0 has answered.
    #[must_use]
    pub fn shards(&self) -> u32 {
        u32::try_from(self.shards.borrow().len()).unwrap_or(u32::MAX)
    }

    /// Whether shard 0 has confirmed the number of shards. Do not call another shard before: it would adopt the
    /// caller's number.
    pub(super) fn is_layout_known(&self) -> bool {
        self.is_layout_known.get()
    }

    /// Sets the number of shards, as answered by shard 0.
    pub(super) fn note_layout(&self, shards: u32) {
        if shards != self.shards() {
            // A new generation invalidates earlier confirmations.
            let generation = self.shards.borrow().iter().map(|shard| shard.generation).max().unwrap_or(0);
            let shard = |_| ShardReplica::of_generation(generation.saturating_add(1));
            *self.shards.borrow_mut() = (0..shards).map(shard).collect();
            *self.breakers.borrow_mut() = (0..shards).map(|_| Breaker::default()).collect();
            self.invalidate_lookups();
        }
        self.is_layout_known.set(true);
    }

    fn with<T>(&self, shard: u32, act: impl FnOnce(&mut ShardReplica) -> T) -> Option<T> {
        let mut shards = self.shards.borrow_mut();
        Some(act(shards.get_mut(usize::try_from(shard).ok()?)?))
    }

    /// Takes the next sequence number.
    pub(super) fn next_number(&self) -> u64 {
        let next = self.counter.get().saturating_add(1);
        self.counter.set(next);
        next
    }

    /// Checks whether the clock was set back. If so, the ages of all syncs are unknown and their times are invalidated.
    pub(super) fn detect_clock_rollback(&self, now: Timestamp) {
        if now < self.latest_time.get() {
            let upto = self.next_number();
            self.invalidated_upto.set(upto);
            self.shards.borrow_mut().iter_mut().for_each(|shard| shard.invalidate_times(upto));
        }
        self.latest_time.set(now);
    }

    /// The shards that may have revocations of the tokens. Always includes shard 0, which has the issuer cut-offs.
    pub(super) fn shards_of(&self, tokens: &[&Matchable]) -> Vec<u32> {
        let count = self.shards();
        let mut is_asked = vec![false; self.shards.borrow().len()];
        let mut ask = |shard: u32| {
            if let Some(is_asked) = usize::try_from(shard).ok().and_then(|shard| is_asked.get_mut(shard)) {
                *is_asked = true;
            }
        };
        ask(0);
        for key in tokens.iter().flat_map(|token| token.keys()).filter(|_| count > 1) {
            ask(shard_of(key.scope, key.digest, count));
        }
        (0..).zip(is_asked).filter_map(|(shard, is_asked)| is_asked.then_some(shard)).collect()
    }

    /// Whether a shard's latest sync is recent enough.
    pub(super) fn is_fresh(&self, shard: u32, required: Required, now: Timestamp) -> bool {
        self.with(shard, |shard| shard.is_fresh(required, now)).unwrap_or(false)
    }

    /// A token's status from memory alone; `None` if I/O is needed. Nearly every check ends here.
    pub(super) fn status_from_memory(
        &self,
        token: &Matchable,
        freshness: Freshness,
        now: Timestamp,
    ) -> Option<CheckedStatus> {
        self.detect_clock_rollback(now);
        if let Some(scope) = self.revoked_by_own_logout(token) {
            return Some(CheckedStatus { status: Status::Revoked(scope), freshness });
        }
        let Lookup::Known(status) = self.lookup(token) else { return None };
        if status != Status::Active {
            return Some(CheckedStatus { status, freshness });
        }
        let required = Required::Since(now.minus(freshness.bound()?), u64::MAX);
        self.is_fresh_for(token, required, now).then_some(CheckedStatus { status, freshness })
    }

    /// Whether every shard that may have revocations of a token was synced recently enough.
    fn is_fresh_for(&self, token: &Matchable, required: Required, now: Timestamp) -> bool {
        match self.shards() {
            // There is no ledger.
            0 => false,
            1 => self.is_fresh(0, required, now),
            _ => self.shards_of(&[token]).iter().all(|shard| self.is_fresh(*shard, required, now)),
        }
    }

    /// Looks a token up; `None` if the replica is not recent enough.
    pub(super) fn lookup_if_fresh(&self, token: &Matchable, required: Required, now: Timestamp) -> Option<Lookup> {
        (self.is_layout_known() && self.is_fresh_for(token, required, now)).then(|| self.lookup(token))
    }

    /// The scope of a logout answered by this isolate that revokes a token.
    pub(super) fn revoked_by_own_logout(&self, token: &Matchable) -> Option<Scope> {
        let own = self.own_logouts.borrow();
        let is_revoked = |digest: &Digest| own.find(&digest.prefix()).is_some_and(|upto| covers(upto, token.issued_at));
        token.keys().find(|key| is_revoked(key.digest)).map(|key| key.scope)
    }

    /// The scope of any known revocation of a token. Revocations are never undone, so the age of the sync does not
    /// matter.
    pub(super) fn known_revocation(&self, token: &Matchable) -> Option<Scope> {
        self.revoked_by_own_logout(token).or_else(|| match self.lookup(token) {
            Lookup::Known(Status::Revoked(scope)) => Some(scope),
            Lookup::Known(Status::Active) | Lookup::ReadKv | Lookup::Confirm(_) => None,
        })
    }

    /// Looks a token up. Call it without an await after the freshness check, so that both see the same state.
    fn lookup(&self, token: &Matchable) -> Lookup {
        let mut shards = self.shards.borrow_mut();
        let count = u32::try_from(shards.len()).unwrap_or(u32::MAX);
        let is_absent = token.absent_in_segments.get() == Some(self.segments_version.get());
        let mut is_importing = false;
        let mut open: Vec<Confirmation> = Vec::new();
        for key in token.keys() {
            let place = if count > 1 { shard_of(key.scope, key.digest, count) } else { 0 };
            let Some(shard) = usize::try_from(place).ok().and_then(|place| shards.get_mut(place)) else { continue };
            is_importing |= shard.is_importing;
            let prefix = key.digest.prefix();
            if shard.revoked_upto(&prefix).is_some_and(|upto| covers(upto, token.issued_at)) {
                return Lookup::Known(Status::Revoked(key.scope));
            }
            if is_absent || key.scope == Scope::Issuer {
                continue;
            }
            if let SegmentLookup::Maybe(_) = shard.in_segments(&prefix, token.confirmed_upto(place, shard.generation)) {
                let at = shard.position();
                let confirmation = Confirmation { shard: place, generation: shard.generation, at, digests: Vec::new() };
                if open.last().is_none_or(|last| last.shard != place) && !open.iter().any(|one| one.shard == place) {
                    open.push(confirmation);
                }
                if let Some(one) = open.iter_mut().find(|one| one.shard == place) {
                    one.digests.push((key.scope, *key.digest));
                }
            }
        }
        if open.is_empty() {
            token.absent_in_segments.set(Some(self.segments_version.get()));
            if is_importing { Lookup::ReadKv } else { Lookup::Known(Status::Active) }
        } else {
            Lookup::Confirm(open)
        }
    }

    /// Whether any of the shards is importing, so that Workers KV must be read as well.
    pub(super) fn is_importing(&self, shards: &[u32]) -> bool {
        shards.iter().any(|shard| self.with(*shard, |shard| shard.is_importing).unwrap_or(false))
    }

    /// Whether Workers KV was read recently enough and had no revocation of a token.
    pub(super) fn is_absent_from_kv(&self, token: &Matchable, required: Required, now: Timestamp) -> bool {
        let Required::Since(since, _) = required else { return false };
        let is_recent =
            |(at, number): (Timestamp, u64)| at >= since && at <= now && number > self.invalidated_upto.get();
        token.absent_from_kv.get().is_some_and(is_recent)
    }

    /// Starts a shard's replica over, unless its generation has already changed.
    pub(super) fn start_over(&self, shard: u32, generation: u64) {
        self.with(shard, |shard| {
            if shard.generation == generation {
                shard.start_over();
            }
        });
        self.invalidate_lookups();
    }

    fn invalidate_lookups(&self) {
        self.segments_checked_at.set(Timestamp::from_millis(i64::MIN));
        self.segments_version.set(self.segments_version.get().saturating_add(1));
    }

    /// The next question to a shard.
    pub(super) fn ask(&self, shard: u32, overlap: u32) -> Option<SentQuestion> {
        let number = self.next_number();
        self.with(shard, |shard| shard.ask(number, overlap))
    }

    fn max_entries(&self) -> usize {
        let share = MAX_ENTRIES.checked_div(self.shards.borrow().len()).unwrap_or(MAX_ENTRIES);
        share.max(MIN_ENTRIES_PER_SHARD)
    }

    /// Applies an answer of a shard.
    pub(super) fn apply(&self, shard: u32, synced: &Synced, asked: &SentQuestion) -> Applied {
        let max_entries = self.max_entries();
        let apply = |shard: &mut ShardReplica| {
            let before = shard.segments.directory;
            (shard.apply(synced, asked, max_entries), shard.segments.directory != before)
        };
        let (applied, is_new) = self.with(shard, apply).unwrap_or((Applied::Late, false));
        if is_new || matches!(applied, Applied::Gap | Applied::TooLarge) {
            self.invalidate_lookups();
        }
        applied
    }

    /// Remembers a logout that this isolate has answered.
    pub(super) fn note_own(&self, logout: &Logout, now: Timestamp) {
        let mut own = self.own_logouts.borrow_mut();
        own.add(Entry::new(&logout.widest.digest, logout.widest.cut_off), now);
        if let Some(token) = &logout.token {
            own.add(Entry::new(&token.digest, None), now);
        }
    }

    /// Caches in the token that a shard has no revocation of it.
    pub(super) fn note_confirmed(token: &Matchable, confirmation: &Confirmation) {
        let Confirmation { shard, generation, at, .. } = *confirmation;
        let mut confirmed = token.confirmed.borrow_mut();
        confirmed.retain(|known| known.shard != shard);
        confirmed.push(Confirmed { shard, generation, upto: at.version });
    }

    /// The next segment to load. Records the attempt. Concurrency is limited, because a load needs three times the size
    /// of the filter in memory.
    pub(super) fn next_to_load(&self, now: Timestamp) -> Option<(u32, Segment)> {
        let mut shards = self.shards.borrow_mut();
        let left = free_filter_bytes(&shards, now);
        let switches = |changed: bool, shard: &mut ShardReplica| shard.switch_directory(left, now) || changed;
        if shards.iter_mut().fold(false, switches) {
            self.invalidate_lookups();
        }
        if shards.iter().map(|shard| shard.segments.loading(now)).sum::<usize>() >= MAX_CONCURRENT_LOADS {
            return None;
        }
        let next = |(place, shard): (u32, &mut ShardReplica)| {
            let segment = shard.segments.next_to_load(left, now)?;
            shard.segments.note_load_attempt(segment.name, now);
            Some((place, segment))
        };
        (0_u32..).zip(shards.iter_mut()).find_map(next)
    }

    /// Whether there is a segment to load, or a directory to switch to.
    #[must_use]
    pub fn wants_segments(&self, now: Timestamp) -> bool {
        if !self.segments_checked_at.get().has_passed(SEGMENT_CHECK_INTERVAL, now) {
            return false;
        }
        let shards = self.shards.borrow();
        let is_due = |left| shards.iter().any(|shard| shard.segments.is_due(left, now));
        let is_wanted =
            shards.iter().any(|shard| shard.segments.is_partial()) && is_due(free_filter_bytes(&shards, now));
        if !is_wanted {
            self.segments_checked_at.set(now);
        }
        is_wanted
    }

    /// Whether a missing filter is being loaded, or can be loaded now.
    pub(super) fn awaits_filter(&self, now: Timestamp) -> bool {
        let shards = self.shards.borrow();
        let is_partial = shards.iter().any(|shard| !shard.segments.is_complete());
        is_partial && {
            let left = free_filter_bytes(&shards, now);
            shards.iter().any(|shard| shard.segments.awaits_filter(left, now))
        }
    }

    /// Stores the filter of a segment.
    pub(super) fn store_filter(&self, shard: u32, segment: &Segment, filter: SegmentFilter) {
        let filter = if use_coarse_filters(&self.shards.borrow()) { filter.coarse() } else { filter };
        self.with(shard, |shard| shard.segments.store_filter(segment.name, filter));
    }

    /// Whether there is background work: a shard to sync, or a segment to load.
    #[must_use]
    pub fn wants_refresh(&self, bound: Duration, now: Timestamp) -> bool {
        let is_due = self.shards.borrow().iter().any(|shard| shard.is_due(bound, now));
        (is_due && self.due(bound, now).next().is_some()) || self.wants_segments(now)
    }

    /// The shards to sync in the background. Leaves out those whose circuit breaker is open.
    pub(super) fn due(&self, bound: Duration, now: Timestamp) -> impl Iterator<Item = u32> {
        let due: Vec<u32> = (0_u32..)
            .zip(self.shards.borrow().iter())
            .filter_map(|(place, shard)| shard.is_due(bound, now).then_some(place))
            .collect();
        due.into_iter().filter(move |shard| self.refuses(*shard, now).is_none())
    }

    /// How long to wait before polling for the end of another request's sync: the expected rest, from the duration of
    /// the previous sync, and then a quarter of the time that this one has taken.
    fn sync_poll_delay(&self, shard: u32, now: Timestamp) -> Duration {
        let began_at = self.with(shard, |shard| shard.sync_began_at()).flatten().unwrap_or(now);
        let expected = began_at.plus(self.last_sync_duration.get()).since(now);
        let longer = now.since(began_at).checked_div(4).unwrap_or_default();
        expected.max(longer).clamp(*SYNC_POLL_DELAY.start(), *SYNC_POLL_DELAY.end())
    }

    fn with_breaker<T>(&self, shard: u32, act: impl FnOnce(&mut Breaker) -> T) -> Option<T> {
        let mut breakers = self.breakers.borrow_mut();
        Some(act(breakers.get_mut(usize::try_from(shard).ok()?)?))
    }

    /// Asks a shard's circuit breaker. The caller must report the result of the call.
    pub(super) fn admit(&self, shard: u32, purpose: Purpose, now: Timestamp) -> Admission {
        self.with_breaker(shard, |breaker| breaker.admit(purpose, now)).unwrap_or(Admission::Allow(0))
    }

    /// The error with which a shard's circuit breaker rejects checks now.
    pub(super) fn refuses(&self, shard: u32, now: Timestamp) -> Option<LedgerError> {
        self.with_breaker(shard, |breaker| breaker.refuses(now))?
    }

    /// Reports the result of a call to a shard.
    pub(super) fn note_call(&self, shard: u32, number: u64, outcome: Result<(), LedgerError>, now: Timestamp) {
        let jitter = self.random_byte();
        self.with_breaker(shard, |breaker| match outcome {
            Ok(()) => breaker.succeed(number),
            Err(error) => breaker.fail(number, error, now, jitter),
        });
    }

    /// Reports a canceled call to a shard.
    pub(super) fn abandon_call(&self, shard: u32, number: u64, started_at: Timestamp, now: Timestamp) {
        let jitter = self.random_byte();
        self.with_breaker(shard, |breaker| breaker.abandon(number, started_at, now, jitter));
    }
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Replica").field("shards", &self.shards).finish_non_exhaustive()
    }
}

/// How many more bytes of filters the isolate may load. Doubled if filters are halved after loading.
fn free_filter_bytes(shards: &[ShardReplica], now: Timestamp) -> usize {
    let held = shards.iter().fold(0_usize, |sum, shard| sum.saturating_add(shard.segments.size(now)));
    let left = FILTER_BUDGET.saturating_sub(held);
    if use_coarse_filters(shards) { left.saturating_mul(2) } else { left }
}

/// Whether to halve filters because they would not fit otherwise. A full filter takes 2.25 bytes per entry.
fn use_coarse_filters(shards: &[ShardReplica]) -> bool {
    let entries = shards.iter().fold(0_usize, |sum, shard| sum.saturating_add(shard.segments.entries()));
    entries.saturating_mul(9) / 4 > FILTER_BUDGET
}

/// Whether a revocation of tokens issued up to a time covers a token. A token without `iat` is always covered.
pub(super) fn covers(upto: Timestamp, issued_at: Option<Timestamp>) -> bool {
    issued_at.is_none_or(|issued_at| issued_at <= upto)
}

impl Matchable {
    /// The version up to which a shard has confirmed that the token is not revoked; 0 if it has not.
    fn confirmed_upto(&self, shard: u32, generation: u64) -> u64 {
        let confirmed = self.confirmed.borrow();
        let of_shard = confirmed.iter().find(|known| known.shard == shard && known.generation == generation);
        of_shard.map_or(0, |known| known.upto)
    }
}
