//! Following the ledger's feed: what an isolate remembers of recent revocations, and how far it may be trusted.
//!
//! What holds: every revocation that is not remembered here had left the feed by [`Follower::floor`], so it had been in
//! the index for the settling time, and an answer of the index that was asked for after the floor tells it. Together the
//! two know everything that was recorded before [`Follower::synced_at`].
//!
//! No clocks of two machines are compared: the floor is when an answer of the feed was received here, and it tells what
//! left the feed before it was given. Only an answer that another isolate of the location shares counts from when that
//! isolate asked, by that isolate's clock.

use std::collections::VecDeque;
use std::time::Duration;

use super::digest::Digest;
use super::digests::{Digests, Entry};
use super::ledger::{Row, Since};
use crate::time::Timestamp;

/// How long what has left the feed is remembered, so that answers of the index as old as that still count.
pub const MEMORY: Duration = Duration::from_mins(5);

/// One revocation of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FeedEntry(
    /// The digest of its key.
    pub Digest,
    /// Its version.
    pub u64,
    /// Its cut-off.
    pub Option<Timestamp>,
);

impl FeedEntry {
    /// What the feed tells of a row.
    #[must_use]
    pub fn of(row: &Row) -> Option<Self> {
        Some(Self(Digest::of_key(&row.revocation.key)?, row.version, row.revocation.cut_off))
    }
}

/// An answer of the feed: everything in it after one version, up to another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Changes {
    /// The shard's epoch.
    pub epoch: String,
    /// The version after which it begins.
    pub after: u64,
    /// The highest version that has left the feed.
    pub trimmed: u64,
    /// The version up to which it tells everything.
    pub upto: u64,
    /// The oldest version that the feed still has.
    pub oldest: u64,
    /// Whether that is all for now.
    pub is_complete: bool,
    /// Of how many shards this is one whose feed tells every live revocation; 0 while it may not.
    pub whole_of: u32,
    /// In the order of versions.
    pub entries: Vec<FeedEntry>,
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It was taken in.
    Fully,
    /// It was taken in, and there is more to ask for.
    Partly,
    /// It tells nothing to this follower, which has missed something or knows another epoch: the feed has to be read
    /// from its start.
    Gap,
    /// There is more than this isolate remembers.
    TooLarge,
}

/// A follower of one shard's feed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Follower {
    epoch: String,
    version: u64,
    /// The version up to which everything was known when the feed was last heard to its end.
    whole: u64,
    /// The oldest version that was in the feed when it was last heard.
    oldest: u64,
    /// What the latest answer that was heard to its end said of that.
    whole_of: u32,
    synced_at: Timestamp,
    floor: Timestamp,
    /// What it remembers; the rank is the version.
    followed: Digests,
    /// Versions before these had left the feed, and since when that is known.
    left: VecDeque<(u64, Timestamp)>,
    /// Whether the feed is still being read for the first time.
    is_starting: bool,
    capacity: usize,
}

impl Follower {
    /// A follower that begins with the first page of the feed, which was asked for and received then.
    ///
    /// # Errors
    /// The page is not the feed's first, or is too large.
    pub fn begin(
        page: &Changes,
        asked_at: Timestamp,
        received_at: Timestamp,
        capacity: usize,
    ) -> Result<Self, Applied> {
        if page.after != 0 {
            return Err(Applied::Gap);
        }
        let mut follower = Self {
            epoch: page.epoch.clone(),
            version: 0,
            whole: 0,
            oldest: page.oldest,
            whole_of: 0,
            // Of the first page nothing follows yet: an older answer that is whole may come before the last one.
            synced_at: Timestamp::from_millis(i64::MIN),
            floor: received_at,
            followed: Digests::default(),
            left: VecDeque::new(),
            is_starting: true,
            capacity,
        };
        match follower.take(page, asked_at, received_at) {
            Applied::Fully | Applied::Partly => Ok(follower),
            refused => Err(refused),
        }
    }

    /// What to ask for next.
    #[must_use]
    pub fn since(&self) -> Since {
        if self.is_starting { Since::Start(self.version) } else { Since::Version(self.epoch.clone(), self.version) }
    }

    /// Takes in an answer, its own or one that another isolate shares, which was asked for and received then.
    pub fn apply(&mut self, changes: &Changes, asked_at: Timestamp, received_at: Timestamp) -> Applied {
        if !self.can_apply(changes) {
            return Applied::Gap;
        }
        self.take(changes, asked_at, received_at)
    }

    /// Whether an answer leads on from what is known here.
    #[must_use]
    pub fn can_apply(&self, changes: &Changes) -> bool {
        // While it starts, what has left the feed meanwhile is no gap: the floor will be later.
        let begins = if self.is_starting { changes.after } else { changes.after.max(changes.trimmed) };
        changes.epoch == self.epoch && self.version >= begins
    }

    /// Whether an answer leads on that another isolate has asked for. It may be older than the page that was heard last:
    /// what has moved on to a later page since then stands in neither, so only what was heard whole is built on.
    #[must_use]
    pub fn can_take_shared(&self, changes: &Changes) -> bool {
        let begins = if self.is_starting { changes.after } else { changes.after.max(changes.trimmed) };
        changes.epoch == self.epoch && self.whole >= begins
    }

    fn take(&mut self, changes: &Changes, asked_at: Timestamp, received_at: Timestamp) -> Applied {
        for FeedEntry(digest, version, cut_off) in &changes.entries {
            self.followed.insert(Entry::new(*digest, *version, *cut_off));
        }
        self.version = self.version.max(changes.upto);
        if self.is_starting {
            self.floor = received_at;
        }
        if changes.is_complete {
            // Neither falls from one answer to the next: only the latest one that the ledger gave says what is forgotten.
            if changes.upto >= self.whole && changes.oldest >= self.oldest {
                self.whole_of = changes.whole_of;
            }
            // Not before the last page: what has left under one version may be back under one that is still to come.
            if !self.is_starting && changes.oldest > self.oldest {
                self.left.push_back((changes.oldest, received_at));
            }
            self.oldest = self.oldest.max(changes.oldest);
            // Not the version: a page that was heard in part may have gone further.
            self.whole = self.whole.max(changes.upto);
            self.synced_at = self.synced_at.max(asked_at);
            self.is_starting = false;
        }
        self.forget(received_at);
        match (self.followed.len() > self.capacity, changes.is_complete) {
            (true, _) => Applied::TooLarge,
            (false, true) => Applied::Fully,
            (false, false) => Applied::Partly,
        }
    }

    /// Forgets what left the feed long ago, or, when there is too much, what has left it at all.
    fn forget(&mut self, now: Timestamp) {
        while let Some(&(oldest, since)) = self.left.front() {
            if since.plus(MEMORY) > now && self.followed.len() <= self.capacity {
                break;
            }
            // Shared answers may come out of order, rarely and by little: what came late is remembered a little longer.
            while self.followed.first().is_some_and(|entry| entry.rank < oldest) {
                self.followed.forget_first();
            }
            self.floor = self.floor.max(since);
            self.left.pop_front();
        }
    }

    /// When the feed was asked that is known here to its end; `None` while it is not.
    #[must_use]
    pub fn synced_at(&self) -> Option<Timestamp> {
        (!self.is_starting).then_some(self.synced_at)
    }

    /// Since when an answer of the index tells everything that is not remembered here.
    #[must_use]
    pub const fn floor(&self) -> Timestamp {
        self.floor
    }

    /// Of how many shards this is one of which every live revocation is remembered that was recorded before
    /// [`Self::synced_at`]; 0 while it may not be.
    #[must_use]
    pub const fn whole_of(&self) -> u32 {
        self.whole_of
    }

    /// Whether a revocation is remembered that ends a token issued then.
    #[must_use]
    pub fn ends(&self, digest: &Digest, issued_at: Option<Timestamp>) -> bool {
        self.followed.ends(digest, issued_at)
    }

    /// How many revocations it remembers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.followed.len()
    }

    /// Whether it remembers none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
