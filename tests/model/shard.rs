//! What a shard and its outbox do, by the code that ships.

use std::sync::Arc;
use std::time::Duration;

use edge_logout::ports::IndexError;
use edge_logout::ports::KvEntry;
use edge_logout::revocation::ledger::{
    Answer, Call, Import, KvListEntry, KvListPage, Ledger, LogEntry, Position, Question, Rows, Step as Next,
};
use edge_logout::revocation::steps::Snapshot;
use edge_logout::revocation::{Revocation, StoredRevocation};
use edge_logout::time::Timestamp;

use crate::mutations::Mutation;
use crate::steps::Step;
use crate::tables::Tables;
use crate::world::{Batch, Listing, Progress, Scene, Shard, World, revocations};

/// How long a write to Workers KV may still arrive that was given up, or whose object has ended.
const LATE_WRITE: Duration = Duration::from_mins(1);

impl Scene {
    /// The world after a step.
    pub fn take(&self, world: &World, step: Step) -> World {
        let mut next = world.clone();
        let world = &mut next;
        match step {
            Step::Tick { by } => {
                world.moves -= 1;
                world.now = world.now.plus(by);
                let (now, settling) = (world.now, self.settling);
                Arc::make_mut(&mut world.kv).forget(now, settling);
            }
            Step::LogOut { logout, isolate, is_answered } => {
                self.log_out(world, logout, isolate, is_answered);
                if !self.slow_kv && !self.jobs {
                    (0..world.shards.len()).for_each(|shard| self.take_batch(world, shard));
                }
            }
            Step::LogOutBefore { logout } => {
                world.logouts[logout] = Progress::Answered(world.now);
                self.write_kv(world, &self.logouts[logout].widest.clone());
            }
            Step::Repeat { logout } => self.repeat(world, logout),
            Step::Alarm { shard } => {
                let state = world.shard(shard);
                (state.alarm, state.is_working) = (None, true);
            }
            Step::Work { shard } => self.work(world, shard),
            Step::TakeBatch { shard } => self.take_batch(world, shard),
            Step::Land { shard, batch } => {
                let state = world.shard(shard);
                state.batches[batch].has_landed = true;
                let writes = state.batches[batch].writes.clone();
                for write in &writes {
                    self.write_kv(world, &write.revocation);
                }
            }
            Step::BatchDone { shard, batch } => self.end_batch(world, shard, batch, Ok(())),
            Step::BatchFails { shard, batch } => self.end_batch(world, shard, batch, Err(IndexError::Transient)),
            Step::BatchTimesOut { shard, batch } => self.end_batch(world, shard, batch, Err(IndexError::TimedOut)),
            Step::LandLate { late } => {
                let (revocation, _) = Arc::make_mut(&mut world.kv).late.remove(late);
                self.write_kv(world, &revocation);
            }
            Step::List { shard, newest } => self.list(world, shard, newest),
            Step::NoteListing { shard } => self.note_listing(world, shard),
            Step::LoseListing { shard } => {
                world.faults.listings -= 1;
                world.shard(shard).listing = None;
            }
            Step::Crash { shard } => {
                world.faults.crashes -= 1;
                let rows = world.shards[shard].ledger.rows.clone();
                self.replace(world, shard, rows);
            }
            Step::Backup { shard } => {
                let rows = world.shards[shard].ledger.rows.clone();
                let logouts = world.logouts.clone();
                world.shard(shard).backup = Some(Arc::new((rows, logouts)));
            }
            Step::Restore { shard } => self.restore(world, shard),
            Step::BeginSync { isolate, shard } => self.begin_sync(world, isolate, shard),
            Step::AnswerSync { isolate, sync } => self.answer_sync(world, isolate, sync, false),
            Step::ReplacedAnswers { isolate, sync } => self.answer_sync(world, isolate, sync, true),
            Step::ReceiveSync { isolate, sync, is_shared } => self.receive_sync(world, isolate, sync, is_shared),
            Step::LoseSync { isolate, sync } => {
                world.faults.lost -= 1;
                world.isolate(isolate).syncs.remove(sync);
            }
            Step::TakeShared { isolate } => self.take_shared(world, isolate),
            Step::Load { isolate, published } => self.load(world, isolate, published),
            Step::Look { isolate, token } => self.look(world, isolate, token),
            Step::BeginCheck { isolate, token } => self.begin_check(world, isolate, token),
            Step::AnswerCheck { isolate } => self.answer_check(world, isolate),
            Step::ReceiveCheck { isolate } => self.receive_check(world, isolate),
            Step::LookAgain { isolate } => self.look_again(world, isolate),
            Step::ClockBack { isolate } => {
                world.faults.clocks -= 1;
                let state = world.isolate(isolate);
                state.offset -= 500;
                state.unseen += Duration::from_millis(500);
            }
            Step::RestartIsolate { isolate } => {
                world.faults.isolates -= 1;
                let fresh = self.fresh_isolate(self.isolates[isolate], world.isolates[isolate].offset);
                *world.isolate(isolate) = fresh;
            }
        }
        world.shards.iter_mut().filter(|shard| shard.ledger.rows.rows.written > 0).for_each(|shard| {
            Arc::make_mut(shard).ledger.rows.rows.written = 0;
        });
        next
    }

    /// How many shards the ledger has.
    pub fn layout(&self, world: &World) -> usize {
        world.shards[0].ledger.rows.rows.head.as_ref().map_or(self.shards as usize, |head| head.shards as usize)
    }

    /// Calls a shard. A call that fails is undone, as a transaction is.
    pub fn call(&self, world: &mut World, shard: usize, shards: usize, question: Question) -> Option<Answer> {
        let now = world.now;
        let call = Call { setup: self.setup(shard, shards), question };
        let state = world.shard(shard);
        let before = state.ledger.clone();
        match state.ledger.answer(&call, now) {
            Ok(answer) => {
                if state.ledger.rows != before.rows {
                    self.wake(state, now);
                }
                Some(answer)
            }
            Err(_) => {
                state.ledger = before;
                state.ledger.forget_instance();
                None
            }
        }
    }

    fn wake(&self, state: &mut Shard, now: Timestamp) {
        if self.alarms && !state.is_working && !self.is(Mutation::NobodySetsTheAlarm) {
            state.alarm = Some(state.alarm.map_or(now, |alarm| alarm.min(now)));
        }
    }

    /// Calls the instance that was replaced. It has what it had; its storage gives errors.
    pub fn ask_replaced(&self, world: &World, shard: usize, shards: usize, question: Question) -> Option<Answer> {
        let call = Call { setup: self.setup(shard, shards), question };
        let mut replaced = world.shards[shard].replaced.as_deref()?.clone();
        replaced.answer(&call, world.now).ok()
    }

    pub fn latest(&self, world: &World, shard: usize) -> u64 {
        world.shards[shard].ledger.rows.head().ok().flatten().map_or(0, |head| head.latest)
    }

    /// The position that a caller seems to have whose lineage nobody looks at.
    pub fn on_its_history(&self, world: &World, shard: usize, at: Position) -> Position {
        let Some(head) = world.shards[shard].ledger.rows.head().ok().flatten() else { return at };
        if at.version == 0 { at } else { Position { lineage: head.lineage, version: at.version.min(head.latest) } }
    }

    fn log_out(&self, world: &mut World, logout: usize, isolate: usize, is_answered: bool) {
        let shards = world.isolates.get(isolate).map_or(self.shards as usize, |isolate| isolate.memory.shards());
        let shard = self.shard_of(logout, shards);
        let is_known = world.isolates.get(isolate).is_none_or(|isolate| isolate.memory.is_layout_known());
        if shard != 0 && !is_known && !self.is(Mutation::LayoutIsNotWaitedFor) {
            return;
        }
        if self.is(Mutation::AnsweredBeforeRecorded) {
            world.logouts[logout] = Progress::Answered(world.now);
            return;
        }
        match self.record(world, logout, shard, shards) {
            Some(Answer::Recorded) if is_answered => {
                world.logouts[logout] = Progress::Answered(world.now);
                if isolate < world.isolates.len() {
                    let (now, clock) = (world.now, world.clock(isolate));
                    let state = world.isolate(isolate);
                    let replica = state.memory.replica();
                    if !self.is(Mutation::OwnLogoutsAreForgotten) {
                        edge_logout::revocation::steps::note_own(&replica, &self.logouts[logout], clock);
                    }
                    state.memory = Snapshot::of(&replica);
                    state.own.push((logout, now));
                }
            }
            Some(Answer::Recorded) => {
                world.faults.unanswered -= 1;
                world.logouts[logout] = Progress::Unanswered;
            }
            _ => {}
        }
    }

    fn record(&self, world: &mut World, logout: usize, shard: usize, shards: usize) -> Option<Answer> {
        let logout = self.logouts[logout].clone();
        world.shard(shard).ledger.rows.narrow =
            self.is(Mutation::NarrowerReplacesWider).then(|| LogEntry::of(&logout.widest));
        let answer = self.call(world, shard, shards, Question::Record(vec![logout]));
        world.shard(shard).ledger.rows.narrow = None;
        answer
    }

    /// Recording twice is recording once.
    fn repeat(&self, world: &mut World, logout: usize) {
        world.faults.repeats -= 1;
        let shards = self.layout(world);
        let shard = self.shard_of(logout, shards);
        let before = world.shards[shard].ledger.rows.rows.clone();
        self.record(world, logout, shard, shards);
        let after = &world.shards[shard].ledger.rows.rows;
        let digest = self.logouts[logout].widest.digest;
        let is_in_log = before.log.values().any(|row| row.logout.widest.digest == digest);
        let is_cut_off = self.logouts[logout].widest.cut_off.is_some();
        if (is_in_log || is_cut_off) && before.log.len() != after.log.len() {
            world.break_law("recording twice is recording once");
        }
    }

    /// The time of a shard's work.
    pub fn work_clock(&self, world: &World) -> Timestamp {
        if self.is(Mutation::DropsWhatIsLive) { world.now.plus(Duration::from_hours(24 * 365)) } else { world.now }
    }

    fn work(&self, world: &mut World, shard: usize) {
        let now = self.work_clock(world);
        let state = Arc::make_mut(&mut world.shards[shard]);
        let directory = |state: &Shard| state.ledger.rows.rows.head.as_ref().map(|head| head.directory);
        let before = directory(state);
        let mut next = state.ledger.step(now);
        while !self.jobs && directory(state) == before && matches!(next, Ok(Next::More | Next::Publish(_))) {
            if let (Ok(Next::Publish(publication)), true) = (&next, self.published) {
                Arc::make_mut(&mut world.kv).filters.insert(publication.name, publication.filter.clone());
            }
            next = state.ledger.step(now);
        }
        match next {
            Ok(Next::Publish(publication)) => {
                if self.published {
                    let kv = Arc::make_mut(&mut world.kv);
                    kv.filters.insert(publication.name, publication.filter);
                }
            }
            Ok(Next::Idle(_)) if self.alarms => {
                // The driver hands out what is due first.
                let mut ledger = state.ledger.clone();
                let has_batch = ledger.take_batch(now).is_ok_and(|batch| !batch.is_empty());
                let has_import = matches!(ledger.take_import(now), Ok(Some(_)));
                let next = ledger.step(now);
                if let (true, false, false, Ok(Next::Idle(next))) =
                    (state.batches.is_empty(), has_batch, has_import, next)
                {
                    state.ledger = ledger;
                    state.is_working = false;
                    state.alarm = next;
                    if next.is_some_and(|next| next <= now) {
                        world.break_law("the outbox wakes");
                    }
                }
            }
            Ok(Next::More | Next::Idle(_)) => {}
            Err(_) => state.ledger.forget_instance(),
        }
    }

    fn take_batch(&self, world: &mut World, shard: usize) {
        let now = world.now;
        let state = world.shard(shard);
        let Ok(writes) = state.ledger.take_batch(now) else { return };
        if writes.is_empty() {
            return;
        }
        let under_way = state.batches.iter().flat_map(|batch| &batch.writes);
        let is_twice =
            under_way.clone().any(|one| writes.iter().any(|write| write.revocation.digest == one.revocation.digest));
        state.batches.push(Batch { writes, sent_at: now, has_landed: false });
        let batch = state.batches.len() - 1;
        if is_twice {
            world.break_law("order of each key");
        }
        if !self.slow_kv {
            let writes = world.shards[shard].batches[batch].writes.clone();
            for write in &writes {
                self.write_kv(world, &write.revocation);
            }
            self.end_batch(world, shard, batch, Ok(()));
        }
    }

    fn end_batch(&self, world: &mut World, shard: usize, batch: usize, outcome: Result<(), IndexError>) {
        let now = world.now;
        let Batch { writes, has_landed, sent_at } = world.shard(shard).batches.remove(batch);
        if outcome.is_err() {
            world.faults.puts -= 1;
        }
        if outcome == Err(IndexError::TimedOut) && !has_landed {
            let kv = Arc::make_mut(&mut world.kv);
            kv.late.extend(writes.iter().map(|write| (write.revocation.clone(), sent_at.plus(LATE_WRITE))));
            kv.forget(now, self.settling);
        }
        let ended = writes.into_iter().map(|write| (write, outcome)).collect();
        let state = world.shard(shard);
        if state.ledger.note_batch(ended, now).is_err() {
            state.ledger.forget_instance();
        }
    }

    pub fn write_kv(&self, world: &mut World, revocation: &Revocation) {
        let now = world.now;
        Arc::make_mut(&mut world.kv).write(revocation, now, self.settling);
    }

    fn list(&self, world: &mut World, shard: usize, newest: bool) {
        let now = world.now;
        let Ok(Some(import)) = world.shard(shard).ledger.take_import(now) else { return };
        // One key a page, in the order of the keys; a cursor is the place of the next one.
        let place: usize = import.cursor.as_deref().map_or(0, |cursor| cursor.parse().unwrap());
        let digests: Vec<_> = world.kv.writes.keys().copied().collect();
        let readable = digests.get(place).map_or_else(Vec::new, |digest| world.kv.readable(digest, now, self.settling));
        let seen = if newest {
            readable.iter().flatten().next_back()
        } else if readable.contains(&None) {
            None
        } else {
            readable.iter().flatten().next()
        };
        let page = seen.map(|entry| (*entry).clone()).into_iter().collect();
        let cursor = (place + 1 < digests.len()).then(|| (place + 1).to_string());
        world.shard(shard).listing = Some(Listing { import, page, cursor });
    }

    fn note_listing(&self, world: &mut World, shard: usize) {
        let now = world.now;
        let state = world.shard(shard);
        let Some(Listing { import, page, cursor }) = state.listing.take() else { return };
        let entry = |revocation: Revocation| listed_entry(&revocation, now);
        let listed = KvListPage { entries: page.into_iter().map(entry).collect(), cursor };
        if state.ledger.note_import(&import, listed, now).is_err() {
            state.ledger.forget_instance();
        }
    }

    /// Another instance takes over, with that in its storage. What the one before was writing may still arrive.
    fn replace(&self, world: &mut World, shard: usize, rows: Tables) {
        let now = world.now;
        let state = world.shard(shard);
        let batches = std::mem::take(&mut state.batches);
        let replaced = self.is(Mutation::ReplacedInstanceAnswers).then(|| Arc::new(state.ledger.clone()));
        state.replaced = replaced;
        state.ledger = Ledger::new(rows, self.sizes);
        state.listing = None;
        if self.alarms {
            // The platform runs an alarm again that has not ended.
            state.alarm = if state.is_working { Some(now) } else { state.alarm };
            state.is_working = false;
        }
        let kv = Arc::make_mut(&mut world.kv);
        let under_way = batches
            .into_iter()
            .filter(|batch| !batch.has_landed)
            .flat_map(|batch| batch.writes.into_iter().map(move |write| (write.revocation, now.plus(LATE_WRITE))));
        kv.late.extend(under_way);
        kv.forget(now, self.settling);
    }

    fn restore(&self, world: &mut World, shard: usize) {
        world.faults.restores -= 1;
        let Some(backup) = world.shard(shard).backup.take() else { return };
        let (mut rows, kept) = (*backup).clone();
        // What is drawn by chance is not drawn again.
        rows.rows.seed = world.shards[shard].ledger.rows.rows.seed;
        for logout in self.of_ledger() {
            if kept[logout] == Progress::Idle
                && world.logouts[logout] != Progress::Idle
                && self.shard_of(logout, self.shards as usize) == shard
            {
                world.logouts[logout] = Progress::Void;
            }
        }
        self.replace(world, shard, rows);
        let state = world.shard(shard);
        state.restored = true;
        if self.alarms {
            state.alarm = Some(crate::world::BEGIN);
        }
    }

    /// The rest of a shard's life, with a Workers KV that takes every write: until everything is written, and until
    /// nothing is left.
    pub fn play(&self, world: &World) -> (World, World) {
        let mut next = world.clone();
        let mut settled = None;
        let pause = world.now.plus(Duration::from_mins(5));
        for shard in 0..world.shards.len() {
            let state = next.shard(shard);
            for _ in 0..state.batches.len() {
                next.shard(shard).batches[0].has_landed = true;
                let writes = next.shards[shard].batches[0].writes.clone();
                for write in &writes {
                    self.write_kv(&mut next, &write.revocation);
                }
                self.end_batch(&mut next, shard, 0, Ok(()));
            }
            next.shard(shard).listing = None;
        }
        for _ in 0..200 {
            let due = |shard: &Arc<Shard>| if shard.is_working { Some(next.now) } else { shard.alarm };
            let at = next.shards.iter().filter_map(due).min();
            if settled.is_none() && at.is_none_or(|at| at > pause) {
                settled = Some(next.clone());
            }
            let Some(at) = at else { break };
            next.now = next.now.max(at);
            for shard in 0..next.shards.len() {
                self.play_shard(&mut next, shard);
            }
        }
        (settled.unwrap_or_else(|| next.clone()), next)
    }

    fn play_shard(&self, world: &mut World, shard: usize) {
        if world.shards[shard].alarm.is_none_or(|at| at > world.now) && !world.shards[shard].is_working {
            return;
        }
        (world.shard(shard).alarm, world.shard(shard).is_working) = (None, true);
        for _ in 0..200 {
            let now = world.now;
            let Ok(writes) = world.shard(shard).ledger.take_batch(now) else { return };
            if !writes.is_empty() {
                for write in &writes {
                    self.write_kv(world, &write.revocation);
                }
                let ended = writes.into_iter().map(|write| (write, Ok(()))).collect();
                if world.shard(shard).ledger.note_batch(ended, now).is_err() {
                    return;
                }
            }
            if let Ok(Some(import)) = world.shard(shard).ledger.take_import(now) {
                self.play_import(world, shard, &import);
            }
            if let Ok(Next::Idle(next)) = world.shard(shard).ledger.step(now) {
                (world.shard(shard).alarm, world.shard(shard).is_working) = (next, false);
                return;
            }
        }
    }

    fn play_import(&self, world: &mut World, shard: usize, import: &Import) {
        let now = world.now;
        let entries = world.kv.writes.values().filter_map(|writes| writes.last()).map(|(revocation, _)| revocation);
        let live = entries.filter(|entry| entry.expires_at > now);
        let entry = |entry: &Revocation| listed_entry(entry, now);
        let page = KvListPage { entries: live.map(entry).collect(), cursor: None };
        let _ = world.shard(shard).ledger.note_import(import, page, now);
    }
}

/// Whether an entry of Workers KV is still to be written: the log has it after what counts as written, or it is pending.
pub fn is_unwritten(shard: &Shard, digest: &edge_logout::revocation::Digest) -> bool {
    let rows = &shard.ledger.rows.rows;
    let written = rows.head.as_ref().map_or(0, |head| head.written);
    let later = rows.log.range(written + 1..).filter(|(_, row)| !row.is_imported);
    rows.pending.contains_key(digest)
        || later.flat_map(|(_, row)| revocations(&row.logout)).any(|revocation| revocation.digest == *digest)
}

/// An entry of Workers KV as it is listed.
fn listed_entry(revocation: &Revocation, now: Timestamp) -> KvListEntry {
    let stored = StoredRevocation::parse(&KvEntry::of(revocation, now).value);
    KvListEntry { key: revocation.key(), stored, expires_at: None }
}
