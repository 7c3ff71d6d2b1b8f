//! The replica: what an isolate knows of the ledger, so that nearly every check is answered from memory.
//!
//! Checks and syncs are ordered by a counter, since an isolate's clock stands still between input and output: a sync
//! serves every check that was given its number before. No borrow outlives a call, so none can meet another.

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
use self::segments::{BUDGET, Found};
use self::shard::{Applied, Asked, MAX_ENTRIES, MOST_UNSEALED, Shard};
use super::freshness::Freshness;
use super::key::Digest;
use super::ledger::{Admission, Breaker, Entry, Position, Purpose, Segment, SegmentFilter, Synced};
use super::matching::{Confirmed, Matchable};
use super::record::{Logout, Scope, shard_of};
use super::status::{Known, Status};
use crate::ports::LedgerError;
use crate::time::Timestamp;

pub use self::shard::Required;
pub use self::snapshot::Snapshot;
pub use self::sync::{Pages, Shared, SyncError, take_filter};
pub(super) use self::sync::{freshen, load_segments, refresh};

/// How many segments are loaded at once.
const LOADED_AT_ONCE: usize = 6;
/// How often it is looked whether a segment is to be loaded, while none is.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// How long a request waits before it looks again whether the sync of another one has ended, at the least and at the most.
const PAUSES: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_millis(150);

/// What an isolate knows of the ledger.
pub struct Replica {
    /// One for each shard of the ledger, which may be another number than is configured.
    shards: RefCell<Vec<Shard>>,
    /// Whether shard 0 has answered as one of so many.
    is_layout_known: Cell<bool>,
    /// Apart from the shards, which begin anew now and then.
    breakers: RefCell<Vec<Breaker>>,
    own: RefCell<OwnLogouts>,
    /// The numbers of checks and syncs.
    counter: Cell<u64>,
    /// The state of all segments: another number after every change.
    segments: Cell<u64>,
    latest: Cell<Timestamp>,
    /// The number given when the clock was last set back.
    void_upto: Cell<u64>,
    /// When it was found last that no segment is to be loaded.
    looked_for_segments_at: Cell<Timestamp>,
    chance: Cell<u64>,
    /// How long the latest sync has taken.
    sync_takes: Cell<Duration>,
}

/// What a replica says of a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Lookup {
    /// Whether it is revoked.
    Is(Status),
    /// The ledger has no revocation of it, and still imports: Workers KV has to be asked as well.
    AskIndex,
    /// These shards have to confirm that these digests are not revoked.
    Confirm(Vec<Confirmation>),
}

/// What a shard has to confirm.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Confirmation {
    /// Which shard.
    pub shard: u32,
    /// Which replica of the shard asks.
    pub generation: u64,
    /// What the replica knows: the confirmation holds up to there.
    pub at: Position,
    /// What may be revoked.
    pub digests: Vec<(Scope, Digest)>,
}

impl Replica {
    /// An empty replica of a ledger that has so many shards as far as is known; none without a ledger.
    #[must_use]
    pub fn new(shards: u32) -> Self {
        Self::seeded(shards, getrandom::u64().unwrap_or_default())
    }

    /// The same, whose chances are those of a seed.
    #[must_use]
    pub fn seeded(shards: u32, seed: u64) -> Self {
        Self {
            shards: RefCell::new((0..shards).map(|_| Shard::default()).collect()),
            is_layout_known: Cell::new(false),
            breakers: RefCell::new((0..shards).map(|_| Breaker::default()).collect()),
            own: RefCell::default(),
            counter: Cell::new(0),
            segments: Cell::new(1),
            latest: Cell::new(Timestamp::from_millis(0)),
            void_upto: Cell::new(0),
            looked_for_segments_at: Cell::new(Timestamp::from_millis(i64::MIN)),
            chance: Cell::new(seed),
            sync_takes: Cell::new(Duration::ZERO),
        }
    }

    /// A number by chance, of no use for secrets: a linear congruential generator's highest byte (Knuth's MMIX).
    fn chance(&self) -> u8 {
        let next = self.chance.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.chance.set(next);
        next.to_be_bytes()[0]
    }

    /// How many shards the ledger has, as far as is known.
    #[must_use]
    pub fn shards(&self) -> u32 {
        u32::try_from(self.shards.borrow().len()).unwrap_or(u32::MAX)
    }

    /// Whether shard 0 has answered. Until then no other shard may be asked: it would take a wrong number for granted.
    pub(super) fn is_layout_known(&self) -> bool {
        self.is_layout_known.get()
    }

    /// Notes how many shards the ledger has, as shard 0 says.
    pub(super) fn note_layout(&self, shards: u32) {
        if shards != self.shards() {
            // What was confirmed to the shards before counts for none of the new ones.
            let generation = self.shards.borrow().iter().map(|shard| shard.generation).max().unwrap_or(0);
            let shard = |_| Shard::of_generation(generation.saturating_add(1));
            *self.shards.borrow_mut() = (0..shards).map(shard).collect();
            *self.breakers.borrow_mut() = (0..shards).map(|_| Breaker::default()).collect();
            self.note_new_segments();
        }
        self.is_layout_known.set(true);
    }

    fn with<T>(&self, shard: u32, act: impl FnOnce(&mut Shard) -> T) -> Option<T> {
        let mut shards = self.shards.borrow_mut();
        Some(act(shards.get_mut(usize::try_from(shard).ok()?)?))
    }

    /// The next number.
    pub(super) fn number(&self) -> u64 {
        let next = self.counter.get().saturating_add(1);
        self.counter.set(next);
        next
    }

    /// A clock that was set back says nothing of how long ago a sync was.
    pub(super) fn look_at_clock(&self, now: Timestamp) {
        if now < self.latest.get() {
            let upto = self.number();
            self.void_upto.set(upto);
            self.shards.borrow_mut().iter_mut().for_each(|shard| shard.forget_times(upto));
        }
        self.latest.set(now);
    }

    /// The shards that may know of tokens' revocations, each once. The first one has the cut-offs of issuers.
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

    /// Whether a check may rely on what is known of a shard.
    pub(super) fn is_fresh(&self, shard: u32, required: Required, now: Timestamp) -> bool {
        self.with(shard, |shard| shard.is_fresh(required, now)).unwrap_or(false)
    }

    /// What memory alone says of a token, `None` when others have to be asked. Nearly every check ends here.
    pub(super) fn remembered(&self, token: &Matchable, freshness: Freshness, now: Timestamp) -> Option<Known> {
        self.look_at_clock(now);
        if let Some(scope) = self.revoked_here(token) {
            return Some(Known { status: Status::Revoked(scope), freshness });
        }
        let Lookup::Is(status) = self.lookup(token) else { return None };
        if status != Status::Active {
            return Some(Known { status, freshness });
        }
        let required = Required::Since(now.minus(freshness.bound()?), u64::MAX);
        self.is_known(token, required, now).then_some(Known { status, freshness })
    }

    /// Whether every shard that may know of a token was synced recently enough.
    fn is_known(&self, token: &Matchable, required: Required, now: Timestamp) -> bool {
        match self.shards() {
            // Without a ledger nothing is known.
            0 => false,
            1 => self.is_fresh(0, required, now),
            _ => self.shards_of(&[token]).iter().all(|shard| self.is_fresh(*shard, required, now)),
        }
    }

    /// What the replica says of a token, `None` when it is not as recent as required. Nothing is waited for in between.
    pub(super) fn look(&self, token: &Matchable, required: Required, now: Timestamp) -> Option<Lookup> {
        (self.is_layout_known() && self.is_known(token, required, now)).then(|| self.lookup(token))
    }

    /// The scope of a logout that this isolate has answered, and that ends a token.
    pub(super) fn revoked_here(&self, token: &Matchable) -> Option<Scope> {
        let own = self.own.borrow();
        let is_revoked = |digest: &Digest| own.find(&digest.prefix()).is_some_and(|upto| covers(upto, token.issued_at));
        token.keys().find(|key| is_revoked(key.digest)).map(|key| key.scope)
    }

    /// The scope of a revocation of a token, as far as anything here knows. What is revoked stays revoked, however old
    /// the sync is that has said so.
    pub(super) fn known_revoked(&self, token: &Matchable) -> Option<Scope> {
        self.revoked_here(token).or_else(|| match self.lookup(token) {
            Lookup::Is(Status::Revoked(scope)) => Some(scope),
            Lookup::Is(Status::Active) | Lookup::AskIndex | Lookup::Confirm(_) => None,
        })
    }

    /// What one state of the replica says of a token. To be called without waiting after it was found to be fresh.
    fn lookup(&self, token: &Matchable) -> Lookup {
        let mut shards = self.shards.borrow_mut();
        let count = u32::try_from(shards.len()).unwrap_or(u32::MAX);
        let is_clean = token.clean_in.get() == Some(self.segments.get());
        let mut is_importing = false;
        let mut open: Vec<Confirmation> = Vec::new();
        for key in token.keys() {
            let place = if count > 1 { shard_of(key.scope, key.digest, count) } else { 0 };
            let Some(shard) = usize::try_from(place).ok().and_then(|place| shards.get_mut(place)) else { continue };
            is_importing |= shard.is_importing;
            let prefix = key.digest.prefix();
            if shard.revoked_upto(&prefix).is_some_and(|upto| covers(upto, token.issued_at)) {
                return Lookup::Is(Status::Revoked(key.scope));
            }
            if is_clean || key.scope == Scope::Issuer {
                continue;
            }
            if let Found::Maybe(_) = shard.in_segments(&prefix, token.confirmed_upto(place, shard.generation)) {
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
            token.clean_in.set(Some(self.segments.get()));
            if is_importing { Lookup::AskIndex } else { Lookup::Is(Status::Active) }
        } else {
            Lookup::Confirm(open)
        }
    }

    /// Whether Workers KV has to be asked as well of any of the shards.
    pub(super) fn is_importing(&self, shards: &[u32]) -> bool {
        shards.iter().any(|shard| self.with(*shard, |shard| shard.is_importing).unwrap_or(false))
    }

    /// Whether Workers KV had nothing of a token when it was asked last, as recently as required.
    pub(super) fn is_absent_from_kv(&self, token: &Matchable, required: Required, now: Timestamp) -> bool {
        let Required::Since(since, _) = required else { return false };
        let is_recent = |(at, number): (Timestamp, u64)| at >= since && at <= now && number > self.void_upto.get();
        token.absent_from_kv.get().is_some_and(is_recent)
    }

    /// Begins a shard anew, unless that has happened since.
    pub(super) fn begin_anew(&self, shard: u32, generation: u64) {
        self.with(shard, |shard| {
            if shard.generation == generation {
                shard.begin_anew();
            }
        });
        self.note_new_segments();
    }

    fn note_new_segments(&self) {
        self.looked_for_segments_at.set(Timestamp::from_millis(i64::MIN));
        self.segments.set(self.segments.get().saturating_add(1));
    }

    /// What is asked of a shard next.
    pub(super) fn ask(&self, shard: u32, overlap: u32) -> Option<Asked> {
        let number = self.number();
        self.with(shard, |shard| shard.ask(number, overlap))
    }

    fn most_entries(&self) -> usize {
        let share = MAX_ENTRIES.checked_div(self.shards.borrow().len()).unwrap_or(MAX_ENTRIES);
        share.max(MOST_UNSEALED)
    }

    /// Applies an answer.
    pub(super) fn apply(&self, shard: u32, synced: &Synced, asked: &Asked) -> Applied {
        let most = self.most_entries();
        let apply = |shard: &mut Shard| {
            let before = shard.segments.directory;
            (shard.apply(synced, asked, most), shard.segments.directory != before)
        };
        let (applied, is_new) = self.with(shard, apply).unwrap_or((Applied::Late, false));
        if is_new || matches!(applied, Applied::Gap | Applied::TooLarge) {
            self.note_new_segments();
        }
        applied
    }

    /// Remembers what was recorded here.
    pub(super) fn note_own(&self, logout: &Logout, now: Timestamp) {
        let mut own = self.own.borrow_mut();
        own.note(Entry::new(&logout.widest.digest, logout.widest.cut_off), now);
        if let Some(token) = &logout.token {
            own.note(Entry::new(&token.digest, None), now);
        }
    }

    /// Notes that a shard has confirmed that a token is not revoked.
    pub(super) fn note_confirmed(token: &Matchable, confirmation: &Confirmation) {
        let Confirmation { shard, generation, at, .. } = *confirmation;
        let mut confirmed = token.confirmed.borrow_mut();
        confirmed.retain(|known| known.shard != shard);
        confirmed.push(Confirmed { shard, generation, upto: at.version });
    }

    /// The next segment to load, which is then noted as tried. Few are loaded at once: each takes its size three times.
    pub(super) fn next_to_load(&self, now: Timestamp) -> Option<(u32, Segment)> {
        let mut shards = self.shards.borrow_mut();
        let left = left(&shards, now);
        let takes_next = |changed: bool, shard: &mut Shard| shard.take_next(left, now) || changed;
        if shards.iter_mut().fold(false, takes_next) {
            self.note_new_segments();
        }
        if shards.iter().map(|shard| shard.segments.loading(now)).sum::<usize>() >= LOADED_AT_ONCE {
            return None;
        }
        let next = |(place, shard): (u32, &mut Shard)| {
            let segment = shard.segments.next_to_load(left, now)?;
            shard.segments.note_try(segment.name, now);
            Some((place, segment))
        };
        (0_u32..).zip(shards.iter_mut()).find_map(next)
    }

    /// Whether there is a segment to load, or a directory to take.
    #[must_use]
    pub fn wants_segments(&self, now: Timestamp) -> bool {
        if !self.looked_for_segments_at.get().has_passed(BETWEEN_LOOKS, now) {
            return false;
        }
        let shards = self.shards.borrow();
        let is_due = |left| shards.iter().any(|shard| shard.segments.is_due(left, now));
        let is_wanted = shards.iter().any(|shard| shard.segments.is_partial()) && is_due(left(&shards, now));
        if !is_wanted {
            self.looked_for_segments_at.set(now);
        }
        is_wanted
    }

    /// Whether a filter is missing that is being loaded, or is to be loaded now.
    pub(super) fn awaits_filter(&self, now: Timestamp) -> bool {
        let shards = self.shards.borrow();
        let is_partial = shards.iter().any(|shard| !shard.segments.is_complete());
        is_partial && {
            let left = left(&shards, now);
            shards.iter().any(|shard| shard.segments.awaits_filter(left, now))
        }
    }

    /// Takes in the filter of a segment.
    pub(super) fn load(&self, shard: u32, segment: &Segment, filter: SegmentFilter) {
        let filter = if is_coarse(&self.shards.borrow()) { filter.coarse() } else { filter };
        self.with(shard, |shard| shard.segments.load(segment.name, filter));
    }

    /// Whether a shard is due to be synced in the background, or a segment to be loaded.
    #[must_use]
    pub fn wants_refresh(&self, bound: Duration, now: Timestamp) -> bool {
        let is_due = self.shards.borrow().iter().any(|shard| shard.is_due(bound, now));
        (is_due && self.due(bound, now).next().is_some()) || self.wants_segments(now)
    }

    /// The shards that are due to be synced in the background.
    pub(super) fn due(&self, bound: Duration, now: Timestamp) -> impl Iterator<Item = u32> {
        let due: Vec<u32> = (0_u32..)
            .zip(self.shards.borrow().iter())
            .filter_map(|(place, shard)| shard.is_due(bound, now).then_some(place))
            .collect();
        due.into_iter().filter(move |shard| self.refuses(*shard, now).is_none())
    }

    /// After what time the sync is likely to have ended that another request makes: when it has taken as long as the one
    /// before, and then every time that it has taken a quarter longer.
    fn until_synced(&self, shard: u32, now: Timestamp) -> Duration {
        let began_at = self.with(shard, |shard| shard.sync_began_at()).flatten().unwrap_or(now);
        let expected = began_at.plus(self.sync_takes.get()).since(now);
        let longer = now.since(began_at).checked_div(4).unwrap_or_default();
        expected.max(longer).clamp(*PAUSES.start(), *PAUSES.end())
    }

    fn with_breaker<T>(&self, shard: u32, act: impl FnOnce(&mut Breaker) -> T) -> Option<T> {
        let mut breakers = self.breakers.borrow_mut();
        Some(act(breakers.get_mut(usize::try_from(shard).ok()?)?))
    }

    /// Whether a shard may be called now. The caller must report how the call ends.
    pub(super) fn admit(&self, shard: u32, purpose: Purpose, now: Timestamp) -> Admission {
        self.with_breaker(shard, |breaker| breaker.admit(purpose, now)).unwrap_or(Admission::Go(0))
    }

    /// The error with which a check of a shard would be refused now, if any.
    pub(super) fn refuses(&self, shard: u32, now: Timestamp) -> Option<LedgerError> {
        self.with_breaker(shard, |breaker| breaker.refuses(now))?
    }

    /// Notes how a call to a shard has ended.
    pub(super) fn note_call(&self, shard: u32, number: u64, outcome: Result<(), LedgerError>, now: Timestamp) {
        let chance = self.chance();
        self.with_breaker(shard, |breaker| match outcome {
            Ok(()) => breaker.succeed(number),
            Err(error) => breaker.fail(number, error, now, chance),
        });
    }

    /// Notes that a call to a shard was dropped.
    pub(super) fn abandon_call(&self, shard: u32, number: u64, begun_at: Timestamp, now: Timestamp) {
        let chance = self.chance();
        self.with_breaker(shard, |breaker| breaker.abandon(number, begun_at, now, chance));
    }
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Replica").field("shards", &self.shards).finish_non_exhaustive()
    }
}

/// How many more bytes of filters an isolate may load.
fn left(shards: &[Shard], now: Timestamp) -> usize {
    let held = shards.iter().fold(0_usize, |sum, shard| sum.saturating_add(shard.segments.size(now)));
    let left = BUDGET.saturating_sub(held);
    if is_coarse(shards) { left.saturating_mul(2) } else { left }
}

/// Whether filters are held in half their bytes, since all of them do not fit otherwise: two bytes and a quarter an entry.
fn is_coarse(shards: &[Shard]) -> bool {
    let entries = shards.iter().fold(0_usize, |sum, shard| sum.saturating_add(shard.segments.entries()));
    entries.saturating_mul(9) / 4 > BUDGET
}

/// Whether tokens that were issued up to a moment include one. A token that does not say when it was issued is included.
pub(super) fn covers(upto: Timestamp, issued_at: Option<Timestamp>) -> bool {
    issued_at.is_none_or(|issued_at| issued_at <= upto)
}

impl Matchable {
    /// Up to which version a shard has confirmed that the token is not revoked.
    fn confirmed_upto(&self, shard: u32, generation: u64) -> u64 {
        let confirmed = self.confirmed.borrow();
        let of_shard = confirmed.iter().find(|known| known.shard == shard && known.generation == generation);
        of_shard.map_or(0, |known| known.upto)
    }
}
