//! What an isolate remembers of revocations: the feeds that it follows, and what it has recorded itself.

use std::cell::{Cell, RefCell, RefMut};
use std::time::Duration;

use super::breaker::{Admission, Breaker, Purpose};
use super::check::{Known, Status};
use super::digest::Digest;
use super::endings::Endings;
use super::feed::{Applied, Changes, Follower, MEMORY};
use super::freshness::Freshness;
use super::ledger::Since;
use super::plan::{Asked, MatchKey, Matchable};
use super::record::{Revocation, Scope};
use super::shard::Shard;
use super::sync::Unheard;
use crate::ports::LedgerError;
use crate::time::{CLOCK_SKEW, Timestamp};

/// The most revocations of the feed that an isolate remembers, of all shards together: some 8 MB.
pub(super) const MAX_FOLLOWED: usize = 100_000;

/// An isolate's memory. No borrow of it outlives a call, so none can meet another.
#[derive(Debug)]
pub struct Memory {
    shards: Vec<RefCell<Shard>>,
    /// Apart from the shards, which are emptied when a clock is set back.
    breakers: Vec<RefCell<Breaker>>,
    own: RefCell<Endings>,
    /// What it was told by others: by itself, so that it does not push out what is its own.
    found: RefCell<Endings>,
    /// The latest time seen, and how often the clock was set back.
    latest: Cell<Timestamp>,
    era: Cell<u32>,
    chance: Cell<u64>,
    /// Whether a feed that says that it is whole is taken at its word.
    pub(super) trusts_feeds: bool,
}

impl Memory {
    /// An empty memory of a ledger with so many shards; none without a ledger.
    #[must_use]
    pub fn new(shards: u32) -> Self {
        Self::seeded(shards, getrandom::u64().unwrap_or_default())
    }

    /// The same, whose chances are those of a seed.
    #[must_use]
    pub fn seeded(shards: u32, seed: u64) -> Self {
        Self {
            chance: Cell::new(seed),
            shards: (0..shards).map(|_| RefCell::default()).collect(),
            breakers: (0..shards).map(|_| RefCell::default()).collect(),
            own: RefCell::default(),
            found: RefCell::default(),
            latest: Cell::new(Timestamp::from_millis(0)),
            era: Cell::new(0),
            trusts_feeds: false,
        }
    }

    /// The same, for a ledger that may be the sole writer of the index: then a feed that is whole says all.
    #[must_use]
    pub fn trusting(self, trusts_feeds: bool) -> Self {
        Self { trusts_feeds, ..self }
    }

    /// A number by chance, of no use for secrets: a linear congruential generator's highest byte (Knuth's MMIX).
    fn chance(&self) -> u8 {
        let next = self.chance.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.chance.set(next);
        next.to_be_bytes()[0]
    }

    /// Begins afresh when the clock was set back: what was noted by then is of times that are still to come.
    pub(super) fn look_at_clock(&self, now: Timestamp) {
        if now.plus(CLOCK_SKEW) < self.latest.get() {
            self.era.set(self.era.get().wrapping_add(1));
            for shard in &self.shards {
                *shard.borrow_mut() = Shard::default();
            }
            self.latest.set(now);
        }
        self.latest.set(self.latest.get().max(now));
    }

    /// The moment, as it is noted for tokens of which the index is asked now.
    pub(super) fn asking_at(&self, at: Timestamp) -> Asked {
        Asked { at, era: self.era.get() }
    }

    /// When the index was asked, if that is so lately that it need not be asked again for what the ledger does not know.
    pub(super) fn asked_lately(&self, token: &Matchable, now: Timestamp) -> Option<Timestamp> {
        let asked = token.asked.get().filter(|asked| asked.era == self.era.get())?;
        (asked.at.plus(MEMORY) > now && asked.at <= now).then_some(asked.at)
    }

    pub(super) fn shards(&self) -> u32 {
        u32::try_from(self.shards.len()).unwrap_or(u32::MAX)
    }

    fn shard(&self, shard: u32) -> Option<&RefCell<Shard>> {
        self.shards.get(usize::try_from(shard).ok()?)
    }

    /// The shard that keeps what has this digest.
    pub(super) fn shard_of(&self, digest: &Digest) -> u32 {
        digest.shard(self.shards())
    }

    pub(super) fn of_digest(&self, digest: &Digest) -> Option<&RefCell<Shard>> {
        self.shard(self.shard_of(digest))
    }

    /// The shards that may know of a token's revocations, each once.
    pub(super) fn shards_of(&self, tokens: &[&Matchable]) -> Vec<u32> {
        // Without a ledger digests have a shard all the same, which knows nothing.
        let mut is_asked = vec![false; self.shards.len().max(1)];
        for key in tokens.iter().flat_map(|token| token.keys()) {
            let shard = usize::try_from(self.shard_of(key.digest)).ok();
            if let Some(is_asked) = shard.and_then(|shard| is_asked.get_mut(shard)) {
                *is_asked = true;
            }
        }
        (0..).zip(is_asked).filter_map(|(shard, is_asked)| is_asked.then_some(shard)).collect()
    }

    /// What memory alone says of a token, `None` when others have to be asked. Nearly every check ends here.
    pub(super) fn remembered(&self, token: &Matchable, freshness: Freshness, now: Timestamp) -> Option<Known> {
        self.look_at_clock(now);
        let asked_at = self.asked_lately(token, now);
        let since = freshness.bound().map(|bound| now.minus(bound));
        let mut is_complete = true;
        let ended_by = self.find(token, |follower| {
            is_complete &= follower.zip(since).is_some_and(|(follower, since)| {
                is_between(follower.synced_at(), since, now) && self.covers(follower, asked_at)
            });
        });
        match ended_by {
            Some(scope) => Some(Known { status: Status::Revoked(scope), freshness }),
            None => is_complete.then_some(Known { status: Status::Active, freshness }),
        }
    }

    /// The scope of a revocation that is remembered and ends the token.
    pub(super) fn ends(&self, token: &Matchable) -> Option<Scope> {
        self.find(token, |_| ())
    }

    /// The first scope by which the token is ended; `look` is shown who follows the feed of each key until then.
    fn find(&self, token: &Matchable, mut look: impl FnMut(Option<&Follower>)) -> Option<Scope> {
        let (own, found) = (self.own.borrow(), self.found.borrow());
        let mut is_ended = |key: &MatchKey<'_>| {
            let shard = self.of_digest(key.digest).map(RefCell::borrow);
            let follower = shard.as_ref().and_then(|shard| shard.follower.as_ref());
            look(follower);
            own.ends(key.digest, token.issued_at)
                || found.ends(key.digest, token.issued_at)
                || follower.is_some_and(|follower| follower.ends(key.digest, token.issued_at))
        };
        token.keys().find(|key| is_ended(key)).map(|key| key.scope)
    }

    /// Whether the shard's feed is known as it was at some moment from `since` to now.
    #[must_use]
    pub fn is_synced(&self, shard: u32, since: Timestamp, now: Timestamp) -> bool {
        is_between(self.synced_at(shard), since, now)
    }

    fn synced_at(&self, shard: u32) -> Option<Timestamp> {
        self.shard(shard)?.borrow().follower.as_ref()?.synced_at()
    }

    /// What to ask a shard's feed for, `None` while there is more than can be remembered.
    pub(super) fn since(&self, shard: u32, now: Timestamp) -> Option<Since> {
        let shard = self.shard(shard)?.borrow();
        if shard.too_large_until.is_some_and(|until| now < until) {
            return None;
        }
        Some(shard.follower.as_ref().map_or(Since::Start(0), Follower::since))
    }

    /// Takes in an answer of a shard's feed.
    pub(super) fn take(&self, shard: u32, changes: &Changes, asked_at: Timestamp, received_at: Timestamp) -> Applied {
        let capacity = MAX_FOLLOWED.checked_div(self.shards.len()).unwrap_or(MAX_FOLLOWED);
        let Some(mut shard) = self.shard(shard).map(RefCell::borrow_mut) else { return Applied::Gap };
        let applied = shard.follower.as_mut().map(|follower| follower.apply(changes, asked_at, received_at));
        match applied {
            Some(applied @ (Applied::Fully | Applied::Partly)) => applied,
            Some(Applied::TooLarge) => shard.give_up(received_at),
            // What the tokens were asked for before the follower begins anew counts no longer: its floor is later.
            Some(Applied::Gap) | None => match Follower::begin(changes, asked_at, received_at, capacity) {
                Ok(follower) => {
                    let is_whole = follower.synced_at().is_some();
                    shard.follower = Some(follower);
                    if is_whole { Applied::Fully } else { Applied::Partly }
                }
                Err(Applied::TooLarge) => shard.give_up(received_at),
                Err(refused) => {
                    shard.follower = None;
                    refused
                }
            },
        }
    }

    /// Takes in what another isolate shares, when it leads on from what is known here or begins at the beginning. Gives
    /// whether it did.
    pub(super) fn take_shared(
        &self,
        shard: u32,
        changes: &Changes,
        asked_at: Timestamp,
        received_at: Timestamp,
    ) -> bool {
        let leads_on = self.shard(shard).is_some_and(|shard| {
            shard.borrow().follower.as_ref().map_or(changes.after == 0, |follower| follower.can_take_shared(changes))
        });
        leads_on && changes.is_complete && self.take(shard, changes, asked_at, received_at) == Applied::Fully
    }

    /// Whether any feed is due to be heard again.
    #[must_use]
    pub fn wants_refresh(&self, bound: Duration, now: Timestamp) -> bool {
        self.shards.iter().zip(0..).any(|shard| self.is_due(shard, bound, now))
    }

    /// The shards whose feeds are in use and were heard of longer ago than about half the bound: to be heard again before
    /// anybody has to wait for it. Whoever asks is expected to do so, and to say when that has ended.
    pub(super) fn begin_refresh(&self, bound: Duration, now: Timestamp) -> Vec<u32> {
        let due = self.shards.iter().zip(0..).filter(|shard| self.is_due(*shard, bound, now));
        let due: Vec<u32> = due.map(|(_, index)| index).collect();
        due.into_iter().filter(|shard| self.begin_hearing(*shard, now)).collect()
    }

    fn is_due(&self, (shard, index): (&RefCell<Shard>, u32), bound: Duration, now: Timestamp) -> bool {
        shard.borrow().is_due(bound, now) && self.refuses(index, now).is_none()
    }

    /// Whether nobody else is hearing a shard's feed, so that whoever asks is to do so now.
    pub(super) fn begin_hearing(&self, shard: u32, now: Timestamp) -> bool {
        let Some(mut shard) = self.shard(shard).map(RefCell::borrow_mut) else { return true };
        let is_free = !shard.is_being_heard(now);
        if is_free {
            shard.hearing_since = Some(now);
        }
        is_free
    }

    /// Notes how hearing a shard's feed has ended.
    pub(super) fn note_unheard(&self, shard: u32, unheard: Option<(Timestamp, Unheard)>) {
        if let Some(shard) = self.shard(shard) {
            shard.borrow_mut().unheard = unheard;
        }
    }

    /// Why a shard's feed was not heard, when that was tried since a moment.
    pub(super) fn unheard_since(&self, shard: u32, moment: Timestamp) -> Option<Unheard> {
        let (at, unheard) = self.shard(shard)?.borrow().unheard?;
        (at >= moment).then_some(unheard)
    }

    pub(super) fn end_hearing(&self, shard: u32) {
        if let Some(shard) = self.shard(shard) {
            let mut shard = shard.borrow_mut();
            shard.hearing_since = None;
            shard.lateness = self.chance();
        }
    }

    fn breaker(&self, shard: u32) -> Option<RefMut<'_, Breaker>> {
        Some(self.breakers.get(usize::try_from(shard).ok()?)?.borrow_mut())
    }

    /// Whether a shard may be called now. The caller must report how the call ends.
    pub(super) fn admit(&self, shard: u32, purpose: Purpose, now: Timestamp) -> Admission {
        self.breaker(shard).map_or(Admission::Go(0), |mut breaker| breaker.admit(purpose, now))
    }

    /// The error with which a check of a shard would be refused now, if any.
    pub(super) fn refuses(&self, shard: u32, now: Timestamp) -> Option<LedgerError> {
        self.breaker(shard)?.refuses(now)
    }

    /// Whether a shard has failed, or is slow to answer, and has not answered since.
    pub(super) fn is_failing(&self, shard: u32, now: Timestamp) -> bool {
        self.breaker(shard).is_some_and(|mut breaker| breaker.is_failing(now))
    }

    /// Notes how a call to a shard has ended.
    pub(super) fn note_call(&self, shard: u32, number: u64, outcome: Result<(), LedgerError>, now: Timestamp) {
        let Some(mut breaker) = self.breaker(shard) else { return };
        match outcome {
            Ok(()) => breaker.succeed(number),
            Err(error) => breaker.fail(number, error, now, self.chance()),
        }
    }

    /// Notes that a call to a shard was dropped.
    pub(super) fn abandon_call(&self, shard: u32, number: u64, begun_at: Timestamp, now: Timestamp) {
        if let Some(mut breaker) = self.breaker(shard) {
            breaker.abandon(number, begun_at, now, self.chance());
        }
    }

    /// Remembers what was recorded here.
    pub fn note(&self, revocations: &[Revocation], now: Timestamp) {
        for revocation in revocations {
            if let Some(digest) = Digest::of_key(&revocation.key) {
                self.own.borrow_mut().note(digest, revocation.cut_off, now);
            }
        }
    }

    /// Remembers a revocation that ledger or index have told of.
    pub(super) fn note_found(&self, digest: Digest, cut_off: Option<Timestamp>, now: Timestamp) {
        self.found.borrow_mut().note(digest, cut_off, now);
    }
}

/// Whether a feed was heard since a moment. Not in the future: the clock was set back then, and nobody knows how long ago
/// that is.
pub(super) fn is_between(synced_at: Option<Timestamp>, since: Timestamp, now: Timestamp) -> bool {
    synced_at.is_some_and(|synced_at| synced_at >= since && synced_at <= now)
}
