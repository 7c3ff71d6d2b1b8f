//! The state of the world: what is durable, what is under way, and what each isolate knows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use edge_logout::revocation::ledger::{
    Answer, Call, Import, KvListPage, Ledger, Question, Setup, Sizes, SyncQuestion, Write,
};
use edge_logout::revocation::steps::{Confirmation, Pages, Remembered, Replica, Snapshot, matchable};
use edge_logout::revocation::{Digest, Limits, Logout, Matchable, Revocation, Scope, shard_of};
use edge_logout::time::Timestamp;

use crate::kv::Kv;
use crate::mutations::Mutation;
use crate::tables::Tables;

/// When every world begins.
pub const BEGIN: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// What can happen in a world, and how often.
#[derive(Clone, Debug)]
pub struct Scene {
    pub name: &'static str,
    pub shards: u32,
    /// The isolates, by the number of shards that they are configured with.
    pub isolates: Vec<u32>,
    pub sizes: Sizes,
    pub settling: Duration,
    pub kv_written_until: Option<Timestamp>,
    /// What a bounded check promises.
    pub bound: Duration,
    /// How far the clock may move at once, and how many times it moves.
    pub ticks: Vec<Duration>,
    pub moves: u8,
    /// Each is recorded at most once, but for what is repeated.
    pub logouts: Vec<Logout>,
    /// Whether they happen in their order.
    pub in_order: bool,
    /// Whether nobody has called the ledger yet. Otherwise it has imported what was in Workers KV.
    pub is_new: bool,
    /// Whether every isolate has synced before the world begins.
    pub is_synced: bool,
    /// So many of them were written to Workers KV by a version without a ledger.
    pub before: usize,
    pub tokens: Vec<Token>,
    /// Whether writes to Workers KV take time, fail and arrive late. Otherwise they are done at once.
    pub slow_kv: bool,
    /// Whether the shard's work is interrupted at every bit; otherwise a run is made at once.
    pub jobs: bool,
    /// Whether the shard works only while its alarm runs. Otherwise it does at any time.
    pub alarms: bool,
    /// Whether filters can be had from Workers KV as well.
    pub published: bool,
    /// How many syncs may be under way in an isolate.
    pub at_once: usize,
    /// By how much the clock of the second isolate is ahead.
    pub ahead: Duration,
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
    pub digests: Vec<(Scope, Digest)>,
    pub issued_at: Option<Timestamp>,
}

/// How many of each there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// Syncs that are begun.
    pub syncs: u8,
    /// Syncs whose answer is lost.
    pub lost: u8,
    /// Checks that wait for a confirmation.
    pub checks: u8,
    /// Logouts whose answer is lost, and logouts that are sent again.
    pub unanswered: u8,
    pub repeats: u8,
    /// The object ends: what it was doing is lost, what it stored is not.
    pub crashes: u8,
    /// The object's storage is set back to an earlier state.
    pub restores: u8,
    /// Batches of the outbox that fail, are late or have their answer lost.
    pub puts: u8,
    /// Answers that are shared between isolates, held back as long as one likes.
    pub shares: u8,
    /// An isolate's clock is set back.
    pub clocks: u8,
    /// Isolates that begin anew.
    pub isolates: u8,
    /// Listings of Workers KV that are lost.
    pub listings: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub now: Timestamp,
    /// How often the clock may still move.
    pub moves: u8,
    pub shards: Vec<Arc<Shard>>,
    pub isolates: Vec<Arc<Isolate>>,
    pub kv: Arc<Kv>,
    /// The answer of shard 0 that lies in the location's cache.
    pub shared: Option<Arc<Vec<u8>>>,
    pub logouts: Vec<Progress>,
    pub faults: Faults,
    /// The law that a step has broken.
    pub broken: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shard {
    pub ledger: Ledger<Tables>,
    /// Batches that the outbox waits for.
    pub batches: Vec<Batch>,
    /// A listing of Workers KV that is under way, and its page once that is read.
    pub listing: Option<Listing>,
    pub alarm: Option<Timestamp>,
    /// Whether an alarm runs.
    pub is_working: bool,
    /// A state of the storage that it can be set back to, and which logouts it has.
    pub backup: Option<Arc<(Tables, Vec<Progress>)>>,
    /// The instance that another one has replaced.
    pub replaced: Option<Arc<Ledger<Tables>>>,
    /// The logouts in the order of their versions: for the law of order.
    pub restored: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Batch {
    pub writes: Vec<Write>,
    pub sent_at: Timestamp,
    pub has_landed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listing {
    pub import: Import,
    pub page: Vec<Revocation>,
    pub cursor: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Progress {
    Idle,
    /// It is recorded; whoever sent it does not know.
    Unanswered,
    Answered(Timestamp),
    /// It was recorded after the state that the storage was set back to: nothing is promised.
    Void,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Isolate {
    pub memory: Snapshot,
    /// What is remembered of each token.
    pub remembered: Vec<Remembered>,
    pub syncs: Vec<Sync>,
    /// What was answered when syncs were asked for, by their numbers.
    pub asked: Vec<Asked>,
    pub check: Option<Check>,
    /// Its clock beside the world's, in milliseconds.
    pub offset: i64,
    /// What its clock said when it was looked at last.
    pub looked: Timestamp,
    /// By how much its clock was set back that nobody could see.
    pub unseen: Duration,
    /// The logouts that it has answered.
    pub own: Vec<(usize, Timestamp)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sync {
    pub shard: usize,
    pub pages: Pages,
    pub question: SyncQuestion,
    /// The replica that has asked.
    pub generation: u64,
    pub answer: Option<Answer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asked {
    pub shard: usize,
    pub number: u64,
    /// The logouts that were answered by then, a bit for each.
    pub answered: u32,
}

/// A strong check that waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Check {
    pub token: usize,
    /// Its number.
    pub begun: u64,
    /// The logouts that were answered when it began.
    pub answered: u32,
    pub waits: Waits,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Waits {
    /// For a shard to confirm something, with its answer once it has.
    Confirmation(Confirmation, Option<Answer>),
    /// For a sync.
    Sync,
}

impl Scene {
    pub fn begin(&self) -> World {
        let shard = |place: u64| {
            Arc::new(Shard {
                ledger: self.ledger(place),
                batches: Vec::new(),
                listing: None,
                alarm: None,
                is_working: !self.alarms,
                backup: None,
                replaced: None,
                restored: false,
            })
        };
        let ahead = [0, self.ahead.as_millis() as i64];
        let isolate = |(place, configured): (usize, &u32)| Arc::new(self.fresh_isolate(*configured, ahead[place % 2]));
        let mut world = World {
            now: BEGIN,
            moves: self.moves,
            shards: (0..u64::from(self.shards)).map(shard).collect(),
            isolates: self.isolates.iter().enumerate().map(isolate).collect(),
            kv: Arc::new(Kv::default()),
            shared: None,
            logouts: vec![Progress::Idle; self.logouts.len()],
            faults: self.faults,
            broken: None,
        };
        for isolate in 0..if self.is_synced { self.isolates.len() } else { 0 } {
            world.faults.syncs += 1;
            self.begin_sync(&mut world, isolate, 0);
            self.answer_sync(&mut world, isolate, 0, false);
            self.receive_sync(&mut world, isolate, 0, false);
        }
        world
    }

    fn ledger(&self, place: u64) -> Ledger<Tables> {
        let mut ledger = Ledger::new(Tables::new(place + 1, self.mutation), self.sizes);
        if !self.is_new {
            let began_at = BEGIN.minus(Duration::from_hours(1));
            let question = Question::Record(Vec::new());
            let call = Call { setup: self.setup(place as usize, self.shards as usize), question };
            ledger.answer(&call, began_at).unwrap();
            let import = Import { began_at: BEGIN.minus(self.settling), cursor: None };
            ledger.note_import(&import, KvListPage { entries: Vec::new(), cursor: None }, BEGIN).unwrap();
            ledger.rows.rows.written = 0;
            ledger = Ledger::new(ledger.rows, self.sizes);
        }
        ledger
    }

    pub fn fresh_isolate(&self, configured: u32, offset: i64) -> Isolate {
        let replica = Replica::seeded(configured, 0);
        let looked = Timestamp::from_millis(BEGIN.as_millis() + offset);
        edge_logout::revocation::steps::look_at_clock(&replica, looked);
        Isolate {
            memory: Snapshot::of(&replica),
            remembered: vec![Remembered::default(); self.tokens.len()],
            syncs: Vec::new(),
            asked: Vec::new(),
            check: None,
            offset,
            looked,
            unseen: Duration::ZERO,
            own: Vec::new(),
        }
    }

    pub fn setup(&self, shard: usize, shards: usize) -> Setup {
        let (settling, kv_written_until) = if self.is(Mutation::ListsTooEarly) {
            (Duration::ZERO, None)
        } else {
            (self.settling, self.kv_written_until)
        };
        Setup { shard: shard as u32, shards: shards as u32, settling, kv_written_until }
    }

    /// Where a logout is recorded in a ledger of so many shards.
    pub fn shard_of(&self, logout: usize, shards: usize) -> usize {
        let widest = &self.logouts[logout].widest;
        shard_of(widest.scope, &widest.digest, shards as u32) as usize
    }

    /// The logouts that were recorded by the ledger, by their places.
    pub fn of_ledger(&self) -> std::ops::Range<usize> {
        self.before..self.logouts.len()
    }
}

impl Token {
    pub fn matchable(&self, remembered: &Remembered) -> Matchable {
        let token = matchable(&self.digests, self.issued_at);
        edge_logout::revocation::steps::remember(&token, remembered);
        token
    }

    pub fn is_ended_by(&self, digest: &Digest, limits: &Limits) -> bool {
        self.digests.iter().any(|(_, own)| own == digest) && limits.match_token(self.issued_at)
    }

    pub fn is_ended_by_logout(&self, logout: &Logout) -> bool {
        self.is_ended_by(&logout.widest.digest, &logout.widest.limits())
            || logout.token_revocation().is_some_and(|token| self.is_ended_by(&token.digest, &token.limits()))
    }
}

impl World {
    pub fn shard(&mut self, number: usize) -> &mut Shard {
        Arc::make_mut(&mut self.shards[number])
    }

    pub fn isolate(&mut self, number: usize) -> &mut Isolate {
        Arc::make_mut(&mut self.isolates[number])
    }

    /// What the clock of an isolate says.
    pub fn clock(&self, isolate: usize) -> Timestamp {
        Timestamp::from_millis(self.now.as_millis() + self.isolates[isolate].offset)
    }

    /// The logouts that are answered, a bit for each.
    pub fn answered(&self) -> u32 {
        let bit = |(place, progress): (usize, &Progress)| u32::from(matches!(progress, Progress::Answered(_))) << place;
        self.logouts.iter().enumerate().map(bit).sum()
    }

    pub fn break_law(&mut self, law: &'static str) {
        self.broken.get_or_insert(law);
    }
}

/// Which logouts end a digest within which limits.
pub fn revocations(logout: &Logout) -> impl Iterator<Item = Revocation> {
    [Some(logout.widest.clone()), logout.token_revocation()].into_iter().flatten()
}

pub type ByDigest<T> = BTreeMap<Digest, T>;
