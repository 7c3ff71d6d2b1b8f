//! The state of the world: what is durable, what is under way, and what each isolate remembers.

use std::sync::Arc;
use std::time::Duration;

use edge_logout::revocation::feed::{Changes, Follower};
use edge_logout::revocation::ledger::{Ledger, Since, SoleWriter};
use edge_logout::revocation::{Digest, Limits, Revocation};
use edge_logout::time::Timestamp;

use crate::index::Index;
use crate::mutations::Mutation;
use crate::rows::Tables;

/// When every world begins.
pub const BEGIN: Timestamp = Timestamp::from_seconds(1_800_000_000);
/// How long an isolate waits for an answer of the feed.
pub const POLL_LIMIT: Duration = Duration::from_mins(1);
/// How long a write to the index may still arrive that was given up.
pub const LATE_WRITE: Duration = Duration::from_mins(1);

/// What can happen in a world, and how often.
#[derive(Clone, Debug)]
pub struct Scene {
    pub name: &'static str,
    /// How far the clock may move at once, and how many times it moves.
    pub ticks: Vec<Duration>,
    pub moves: u8,
    pub settling: Duration,
    /// How long a write to the index may take before it is given up.
    pub put_limit: Duration,
    /// Whether the index can be written at all.
    pub index_works: bool,
    /// Whether the index may have a write before its writer hears of it.
    pub slow_writes: bool,
    pub shards: u32,
    pub isolates: usize,
    /// Each is recorded at once, at most once, in any order and at any time.
    pub logouts: Vec<Vec<Revocation>>,
    /// Whether the logouts happen in their order.
    pub in_order: bool,
    pub tokens: Vec<Token>,
    /// What is promised of a ledger that is the sole writer of the index.
    pub sole_writer: Option<SoleWriter>,
    /// How many entries an answer of the feed has at the most; the service has 2,000.
    pub page: usize,
    pub overlap: usize,
    /// How many revocations an isolate remembers.
    pub capacity: usize,
    pub faults: Faults,
    pub mutation: Option<Mutation>,
    /// What must be seen in it, for its laws to mean anything.
    pub sights: Vec<Sight>,
}

/// What can be seen of a world, by a name.
pub type Sight = (&'static str, fn(&Scene, &World) -> bool);

/// A token that is asked about: active unless a logout ends it.
#[derive(Clone, Debug)]
pub struct Token {
    pub keys: Vec<String>,
    pub issued_at: Option<Timestamp>,
}

/// How many of each there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// The ledger's process ends: what it was doing is lost, what it stored is not.
    pub crashes: u8,
    /// Writes to the index that fail, lost, late or with their answer lost.
    pub puts: u8,
    /// Isolates that begin anew.
    pub restarts: u8,
    /// The ledger's storage is lost.
    pub losses: u8,
    /// Answers of the feed that are shared between isolates, held back as long as one likes.
    pub shares: u8,
    /// Polls; as many as one likes when `None`.
    pub polls: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub now: Timestamp,
    /// How often the clock may still move.
    pub moves: u8,
    pub shards: Vec<Arc<Shard>>,
    pub index: Index,
    pub isolates: Vec<Arc<Isolate>>,
    /// The answer that lies in the location's cache.
    pub shared: Option<Arc<Shared>>,
    pub logouts: Vec<Progress>,
    pub faults: Faults,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shard {
    pub ledger: Ledger<Tables>,
    /// Writes to the index that the outbox waits for.
    pub flights: Vec<Flight>,
    /// How many storages it has lost.
    pub lives: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Flight {
    pub key: String,
    pub version: u64,
    pub limits: Limits,
    pub begun_at: Timestamp,
    pub has_landed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Progress {
    Idle,
    Answered(Timestamp),
    /// The ledger's storage was lost before the index had it: nothing is promised.
    Void,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shared {
    pub shard: usize,
    pub asked_at: Timestamp,
    pub changes: Changes,
}

/// What an isolate remembers; `src/revocation/memory.rs` keeps the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Isolate {
    pub feeds: Vec<Feed>,
    /// When the index was asked last that knew nothing of each token.
    pub asked: Vec<Option<Timestamp>>,
    pub has_restarted: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Feed {
    pub follower: Option<Follower>,
    /// Which of the tokens it ends: the follower's own hash has its versions alone, and worlds differ in what they mean.
    pub ends: Vec<bool>,
    /// When it began.
    pub begun_at: Option<Timestamp>,
    pub poll: Option<Poll>,
    /// Whether it has missed something and has to begin anew.
    pub has_gap: bool,
    /// What a mutation takes for the time of the last sync.
    pub believed: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Poll {
    pub asked_at: Timestamp,
    pub since: Since,
    pub answer: Option<Changes>,
}

/// What an isolate's memory says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    Revoked,
    /// As of when the feeds were asked.
    Active(Timestamp),
    /// Others have to be asked.
    Nothing,
}

impl Scene {
    pub fn begin(&self) -> World {
        let ledger = self.ledger("life-0", BEGIN);
        let shard = || Arc::new(Shard { ledger: ledger.clone(), flights: Vec::new(), lives: 0 });
        let isolate = || Arc::new(self.fresh_isolate(false));
        World {
            now: BEGIN,
            moves: self.moves,
            shards: (0..self.shards).map(|_| shard()).collect(),
            index: Index::default(),
            isolates: (0..self.isolates).map(|_| isolate()).collect(),
            shared: None,
            logouts: vec![Progress::Idle; self.logouts.len()],
            faults: self.faults,
        }
    }

    /// The ledger of a new storage, as the object prepares it.
    pub fn ledger(&self, epoch: &str, now: Timestamp) -> Ledger<Tables> {
        let rows = Tables::new(epoch, self.overlap, self.mutation);
        let mut ledger = Ledger { rows, settling: self.settling, sole_writer: self.sole_writer };
        if self.mutation == Some(Mutation::HistoryIsForgotten) {
            ledger.sole_writer = self.sole_writer.map(|sole| SoleWriter { history: Duration::ZERO, ..sole });
        }
        let Ok(()) = ledger.begin(now);
        ledger
    }

    pub fn fresh_isolate(&self, has_restarted: bool) -> Isolate {
        let feeds = vec![Feed::default(); self.shards as usize];
        Isolate { feeds, asked: vec![None; self.tokens.len()], has_restarted }
    }

    pub fn shard_of(&self, key: &str) -> usize {
        Digest::of_key(key).unwrap().shard(self.shards) as usize
    }

    /// The revocations of all logouts that the ledger took or may have taken, with how far they are.
    pub fn recorded<'a>(&'a self, world: &'a World) -> impl Iterator<Item = (&'a Revocation, Progress)> {
        let with_progress = self.logouts.iter().zip(&world.logouts);
        with_progress.flat_map(|(batch, progress)| batch.iter().map(|revocation| (revocation, *progress)))
    }

    /// When the logouts were answered that end a token and are not expired.
    pub fn ended_at<'a>(&'a self, world: &'a World, token: &'a Token) -> impl Iterator<Item = Timestamp> + 'a {
        self.recorded(world).filter_map(|(revocation, progress)| match progress {
            Progress::Answered(at) if revocation.expires_at > world.now && token.is_ended_by(revocation) => Some(at),
            _ => None,
        })
    }
}

impl Token {
    fn is_ended_by(&self, revocation: &Revocation) -> bool {
        self.keys.contains(&revocation.key) && revocation.limits().match_token(self.issued_at)
    }

    pub fn is_ended_within(&self, limits: Option<Limits>) -> bool {
        limits.is_some_and(|limits| limits.match_token(self.issued_at))
    }
}

impl World {
    pub fn shard(&mut self, number: usize) -> &mut Shard {
        Arc::make_mut(&mut self.shards[number])
    }

    pub fn isolate(&mut self, number: usize) -> &mut Isolate {
        Arc::make_mut(&mut self.isolates[number])
    }

    /// Whether the index may say that it knows nothing of a token.
    pub fn index_may_miss(&self, token: &Token) -> bool {
        token.keys.iter().all(|key| self.index.readable(key).into_iter().any(|limits| !token.is_ended_within(limits)))
    }
}
