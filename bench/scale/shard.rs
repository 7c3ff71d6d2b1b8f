//! One object of the ledger, as `src/edge/ledger_object.rs` has it: the shipped decisions and the shipped driver, a queue
//! before them, and the alarm.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use edge_logout::ports::KvEntry;
use edge_logout::ports::{Clock, IndexError, LedgerError};
use edge_logout::revocation::ledger::{
    Answer, BackgroundIo, Call, GATHERING, KvListPage, Ledger, LogRow, Position, Publication, Question, Setup, Sizes,
    SyncQuestion, run_background_work,
};
use edge_logout::revocation::{Digest, Logout, Revocation, Scope, TokenEntry};
use edge_logout::time::Timestamp;

use super::archive::Archive;
use super::clock::{self, Micros, SECOND};
use super::index::{Connections, Lanes, SharedConnections, write_latency};
use super::measure::Held;
use super::memory_rows::Unreadable;
use super::random::Random;
use super::rows::{RowBill, Table, Written};
use super::scenario::{BLOCK_READ, BLOCK_WRITTEN, LONGEST_QUEUE, OBJECT_CALL, OUTPUT_GATE, SERVICE};
use super::tokens::{BEGINNING, ISSUER};
use super::world::{SETTLING, World, timestamp};

pub struct Shard {
    ledger: RefCell<Ledger<Table>>,
    queue: Queue,
    bill: Rc<Cell<RowBill>>,
    alarm_at: Cell<Option<Timestamp>>,
    is_working: Cell<bool>,
    /// When it was asked last, and whether it has been at all: an object that rests is taken from memory.
    asked_at: Cell<Option<Micros>>,
    connections: SharedConnections,
    /// How many batches are being written.
    writing: Cell<u32>,
    /// Its number, and how many there are.
    place: (u32, u32),
}

/// After so long without a request an object is taken from memory: Cloudflare says 70 to 140 seconds.
const REST: Micros = 100 * SECOND;

/// Work that waits, in microseconds of service.
struct Queue {
    seen_at: Cell<Micros>,
    work: Cell<f64>,
    /// The work of locations that are not simulated: it arrives over some time after that of those that are.
    of_others: Cell<f64>,
    /// That time.
    spread: f64,
    second: Cell<Micros>,
    in_second: Cell<f64>,
}

impl Queue {
    /// How long a request waits that comes now and is one of `alike`; `None` when there is too much.
    fn enter(&self, alike: f64) -> (Option<Micros>, f64) {
        let now = clock::now();
        let passed = (now - self.seen_at.replace(now)) as f64;
        let arrived = self.of_others.get() * (1.0 - (-passed / self.spread).exp());
        self.of_others.set(self.of_others.get() - arrived);
        let work = (self.work.get() + arrived - passed).clamp(0.0, 2.0 * LONGEST_QUEUE as f64);
        self.work.set(work);
        let finished =
            if self.second.replace(now / SECOND) == now / SECOND { 0.0 } else { self.in_second.replace(0.0) };
        self.in_second.set(self.in_second.get() + alike);
        if work > LONGEST_QUEUE as f64 {
            return (None, finished);
        }
        self.work.set(work + SERVICE as f64);
        self.of_others.set(self.of_others.get() + (alike - 1.0) * SERVICE as f64);
        (Some(work as Micros), finished)
    }

    /// Work that nobody waits for, and that others wait behind.
    fn add(&self, work: f64, alike: f64) {
        self.work.set(self.work.get() + work);
        self.of_others.set(self.of_others.get() + (alike - 1.0) * work);
    }
}

impl Shard {
    /// One that has been in use until now, with so many live revocations in runs and some after them.
    pub fn new(live: u64, lifetime: Duration, place: (u32, u32), spread: Micros, random: &Random) -> Self {
        let archive = Archive::of(live, lifetime);
        let recent = if archive.runs.is_empty() { live } else { random.below(Sizes::DEFAULT.sealed) as u64 };
        // From before the run: Workers KV has them.
        let row = |number| {
            let logout = Logout { token: None, ..any_logout(lifetime, BEGINNING, random) };
            LogRow { version: archive.sealed + number, logout, is_imported: true }
        };
        let rows = (1..=recent).map(row).collect();
        let table = Table::long_in_use(Arc::clone(&archive), place, rows);
        let bill = table.bill();
        Self {
            ledger: RefCell::new(Ledger::new(table, Sizes::DEFAULT)),
            queue: Queue {
                seen_at: Cell::new(0),
                work: Cell::new(0.0),
                of_others: Cell::new(0.0),
                spread: spread as f64,
                second: Cell::new(0),
                in_second: Cell::new(0.0),
            },
            bill,
            alarm_at: Cell::new(None),
            is_working: Cell::new(false),
            asked_at: Cell::new(None),
            connections: SharedConnections::default(),
            writing: Cell::new(0),
            place,
        }
    }

    /// Rows written so far, by what they are for.
    pub fn written(&self) -> Written {
        self.ledger.borrow().rows.written()
    }

    /// How many entries of the log are not known to be in Workers KV.
    pub fn backlog(&self) -> usize {
        self.ledger.borrow().rows.backlog()
    }

    /// What an isolate holds of this shard, at no cost to anybody.
    pub fn add_held(&self, held: &mut Held) {
        let mut ledger = self.ledger.borrow_mut();
        let shards = self.place.1;
        let setup = Setup { shard: self.place.0, shards, settling: SETTLING, kv_written_until: None };
        let mut ask = |question| ledger.answer(&Call { setup, question }, timestamp(clock::now()));
        let question = SyncQuestion { at: Position::default(), directory: 0, overlap: 0 };
        let Ok(Answer::Synced(synced)) = ask(Question::Sync(question)) else { return };
        for segment in synced.directory.iter().flat_map(|directory| &directory.segments) {
            held.in_segments += u64::from(segment.entries);
            if let Ok(Answer::Segment(Some(filter))) = ask(Question::Segment(segment.name)) {
                held.filter_bytes += filter.len() as u64;
            }
        }
        held.entries += synced.upto - synced.after;
        self.bill.take();
    }

    /// Answers a call that stands for `alike` calls.
    pub async fn serve(self: Rc<Self>, world: Rc<World>, call: Call, alike: f64) -> Result<Vec<u8>, LedgerError> {
        self.settle(&world);
        let (wait, in_second) = self.queue.enter(alike);
        world.count(|counts| counts.busiest_second = counts.busiest_second.max(in_second));
        let Some(wait) = wait else { return Err(LedgerError::Overloaded) };
        clock::after(wait + SERVICE).await;
        self.settle(&world);
        let has_rested = self.asked_at.get().is_none_or(|at| at + REST < clock::now());
        if has_rested && !self.is_working.get() {
            self.ledger.borrow_mut().forget_instance();
        }
        self.asked_at.set(Some(clock::now()));
        let answer = {
            let mut ledger = self.ledger.borrow_mut();
            let Ok(answer) = ledger.answer(&call, timestamp(clock::now())) else { return Err(LedgerError::Failed) };
            answer.write()
        };
        let reading = self.take_work(&world, alike);
        self.queue.add(reading, alike);
        clock::after(reading as Micros).await;
        let is_record = matches!(call.question, Question::Record(_));
        world.count(|counts| {
            match call.question {
                Question::Record(_) => counts.records += alike,
                Question::Confirm(..) => counts.confirms += alike,
                Question::Sync(_) => counts.polls += alike,
                Question::Segment(_) => counts.segments_asked += alike,
            }
            counts.object_time += (SERVICE as f64 + reading + if is_record { OUTPUT_GATE as f64 } else { 0.0 }) * alike;
        });
        if has_rested && self.alarm_at.get().is_none() || is_record && !self.is_working.get() {
            self.wake_at(&world, Some(timestamp(clock::now()).plus(GATHERING)));
        }
        if is_record {
            clock::after(OUTPUT_GATE).await;
        }
        Ok(answer)
    }

    /// What the driver has done since makes requests wait.
    fn settle(&self, world: &World) {
        let work = self.take_work(world, 1.0);
        self.queue.add(work, 1.0);
    }

    /// Bills rows, and gives how long reading and writing blocks took.
    fn take_work(&self, world: &World, alike: f64) -> f64 {
        let bill = self.bill.take();
        world.count(|counts| {
            counts.rows_read += bill.read as f64 * alike;
            counts.rows_written += bill.written as f64;
            counts.rows_removed += bill.removed as f64;
        });
        bill.blocks_read as f64 * BLOCK_READ + bill.blocks_written as f64 * BLOCK_WRITTEN
    }

    fn wake_at(self: &Rc<Self>, world: &Rc<World>, next: Option<Timestamp>) {
        let Some(next) = next.filter(|next| self.alarm_at.get().is_none_or(|set| *next < set)) else { return };
        self.alarm_at.set(Some(next));
        world.count(|counts| counts.alarms_set += 1.0);
        let (shard, world) = (Rc::clone(self), Rc::clone(world));
        clock::spawn(async move {
            clock::after(next.since(timestamp(clock::now())).as_micros() as Micros).await;
            while shard.is_working.get() {
                clock::after(1_000).await;
            }
            if shard.alarm_at.get() == Some(next) {
                shard.alarm(&world).await;
            }
        });
    }

    async fn alarm(self: &Rc<Self>, world: &Rc<World>) {
        self.alarm_at.set(None);
        self.is_working.set(true);
        let begun = clock::now();
        let outside = ObjectOutside { world: Rc::clone(world), shard: Rc::clone(self) };
        let next = run_background_work(&self.ledger, &outside).await.expect("memory does not fail");
        self.settle(world);
        world.count(|counts| {
            counts.alarms += 1.0;
            counts.object_time += (clock::now() - begun + SERVICE) as f64;
        });
        self.is_working.set(false);
        self.wake_at(world, next);
    }
}

/// A logout of somebody who is not simulated.
pub fn any_logout(lifetime: Duration, now: Timestamp, random: &Random) -> Logout {
    let digest = || {
        let mut bytes = [0; 32];
        bytes.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&random.number().to_be_bytes()));
        Digest::from_bytes(bytes)
    };
    let expires_at = now.plus(lifetime);
    let widest = Revocation {
        digest: digest(),
        issuer: ISSUER.to_owned(),
        scope: Scope::Session,
        revoked_at: now,
        cut_off: None,
        expires_at,
        duplicate_window: Duration::ZERO,
    };
    Logout { widest, token: Some(TokenEntry { digest: digest(), expires_at }) }
}

/// What the driver of a shard reaches.
struct ObjectOutside {
    world: Rc<World>,
    shard: Rc<Shard>,
}

impl Clock for ObjectOutside {
    fn now(&self) -> Timestamp {
        timestamp(clock::now())
    }

    async fn sleep(duration: Duration) {
        // An event loop turns in no less.
        clock::after((duration.as_micros() as Micros).max(100)).await;
    }
}

impl BackgroundIo for ObjectOutside {
    type DatabaseError = Unreadable;

    fn atomically<T>(&self, act: impl FnOnce() -> Result<T, Unreadable>) -> Result<T, Unreadable> {
        act()
    }

    async fn write(&self, entries: Vec<KvEntry>) -> Vec<Result<(), IndexError>> {
        let Self { world, shard } = self;
        // The first batch is written by this object's own alarm, others by alarms of other objects.
        let is_elsewhere = shard.writing.replace(shard.writing.get() + 1) > 0;
        if is_elsewhere {
            world.count(|counts| {
                counts.batches += 1.0;
                counts.alarms_set += 1.0;
            });
            clock::after(OBJECT_CALL).await;
        }
        let is_shared = world.lanes.get() == Lanes::Shared;
        let mut connections = if is_shared { shard.connections.get() } else { Connections::default() };
        let mut last = clock::now();
        // Nobody reads these under the promises that need a ledger.
        for _ in &entries {
            let written_at = connections.write(clock::now(), &world.random);
            last = last.max(written_at);
        }
        if is_shared {
            shard.connections.set(connections);
        }
        let begun = clock::now();
        clock::until(last).await;
        shard.writing.set(shard.writing.get() - 1);
        let backlog = shard.backlog();
        world.count(|counts| {
            counts.kv_writes += entries.len() as f64;
            counts.object_time += if is_elsewhere { (clock::now() - begun) as f64 } else { 0.0 };
            counts.longest_backlog = counts.longest_backlog.max(backlog);
        });
        vec![Ok(()); entries.len()]
    }

    async fn publish(&self, publication: &Publication) -> Result<(), IndexError> {
        let took = write_latency(&self.world.random);
        self.world.count(|counts| counts.published += 1.0);
        self.world.put(&publication.name.key(), &publication.filter, clock::now() + took);
        clock::after(took).await;
        Ok(())
    }

    async fn list(&self, _cursor: Option<&str>) -> Result<KvListPage, IndexError> {
        // Nothing was written before the ledger was there.
        clock::after(write_latency(&self.world.random)).await;
        Ok(KvListPage { entries: Vec::new(), cursor: None })
    }

    fn note_failure(&self, _event: &'static str, _error: IndexError) {}
}
