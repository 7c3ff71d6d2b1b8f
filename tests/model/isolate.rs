//! What an isolate does, by the code that ships: what happens in between is up to the model.

use edge_logout::revocation::ledger::{Answer, Question, Segment, Synced};
use edge_logout::revocation::steps::{
    Confirmation, Lookup, Pages, Replica, Required, Shared, Snapshot, begin_anew, from_memory, judge, look,
    look_at_clock, next_to_load, remembered, take_filter,
};
use edge_logout::revocation::{CheckedStatus, Freshness, Status};
use sha2::{Digest as _, Sha256};

use crate::laws::{self, Says};
use crate::mutations::Mutation;
use crate::world::{Asked, Check, Isolate, Scene, Sync, Waits, World};

/// How many entries are asked for again where answers are shared.
const OVERLAP: u32 = 16;

/// What the strongest check that may rely on the latest syncs finds, with what it relies on.
pub fn strongest(scene: &Scene, world: &World, isolate: usize, token: usize) -> Option<(Asked, Lookup)> {
    let state = &world.isolates[isolate];
    let replica = state.memory.replica();
    let matchable = scene.tokens[token].matchable(&state.remembered[token]);
    let asked = weakest(state)?;
    Some((asked, look(&replica, &matchable, Required::After(asked.number - 1), world.clock(isolate))?))
}

/// The sync that a strong check relies on which needs all shards: the one that was asked for first.
pub fn weakest(state: &Isolate) -> Option<Asked> {
    let numbers = (0..state.memory.shards()).map(|shard| state.memory.synced_number(shard));
    let number = numbers.min().filter(|number| *number > 0)?;
    state.asked.iter().find(|asked| asked.number == number).copied()
}

/// What a check under the bound says without waiting.
pub fn bounded(scene: &Scene, world: &World, isolate: usize, token: usize) -> Option<CheckedStatus> {
    let state = &world.isolates[isolate];
    let replica = state.memory.replica();
    let matchable = scene.tokens[token].matchable(&state.remembered[token]);
    let now = world.clock(isolate);
    if scene.is(Mutation::StepsBackAreNotSeen) {
        let status = match look(&replica, &matchable, Required::Since(now.minus(scene.bound), u64::MAX), now)? {
            Lookup::Known(status) => status,
            Lookup::ReadKv | Lookup::Confirm(_) => return None,
        };
        return Some(CheckedStatus { status, freshness: Freshness::Bounded(scene.bound) });
    }
    from_memory(&replica, &matchable, Freshness::Bounded(scene.bound), now)
}

impl Scene {
    fn with_replica<T>(&self, world: &mut World, isolate: usize, act: impl FnOnce(&Replica) -> T) -> T {
        let state = world.isolate(isolate);
        let replica = state.memory.replica();
        let done = act(&replica);
        state.memory = Snapshot::of(&replica);
        done
    }

    pub fn begin_sync(&self, world: &mut World, isolate: usize, shard: usize) {
        world.faults.syncs -= 1;
        let overlap = if self.faults.shares > 0 { OVERLAP } else { 0 };
        self.ask(world, isolate, shard, Pages::new(shard as u32, overlap));
    }

    /// Asks for the first page, or the next one.
    fn ask(&self, world: &mut World, isolate: usize, shard: usize, mut pages: Pages) {
        let now = world.clock(isolate);
        let before = world.isolates[isolate].memory.clone();
        let question = self.with_replica(world, isolate, |replica| pages.ask(replica, now));
        let Some(question) = question else { return };
        let answered = world.answered();
        let state = world.isolate(isolate);
        if self.is(Mutation::SyncCountsFromItsAnswer) {
            state.memory = before;
        } else {
            state.asked.push(Asked { shard, number: state.memory.counter(), answered });
        }
        let generation = state.memory.generation(shard);
        state.syncs.push(Sync { shard, pages, question, generation, answer: None });
        state.forget_asked();
    }

    pub fn answer_sync(&self, world: &mut World, isolate: usize, sync: usize, by_replaced: bool) {
        let Sync { shard, mut question, .. } = world.isolates[isolate].syncs[sync].clone();
        let shards = world.isolates[isolate].memory.shards();
        if self.is(Mutation::SyncWithoutLineage) {
            question.at = self.on_its_history(world, shard, question.at);
        }
        let answer = if by_replaced {
            self.ask_replaced(world, shard, shards, Question::Sync(question))
        } else {
            self.call(world, shard, shards, Question::Sync(question))
        };
        match answer {
            Some(answer) => world.isolate(isolate).syncs[sync].answer = Some(answer),
            None => drop(world.isolate(isolate).syncs.remove(sync)),
        }
    }

    pub fn receive_sync(&self, world: &mut World, isolate: usize, sync: usize, is_shared: bool) {
        let Sync { shard, mut pages, question, generation, answer } = world.isolate(isolate).syncs.remove(sync);
        let Some(answer) = answer else { return };
        let answer = self.bent(answer, question.at.version);
        let now = world.clock(isolate);
        if self.is(Mutation::SyncCountsFromItsAnswer) {
            self.with_replica(world, isolate, |replica| pages.ask(replica, now));
            let answered = world.answered();
            let state = world.isolate(isolate);
            state.asked.push(Asked { shard, number: state.memory.counter(), answered });
        }
        let state = world.isolate(isolate);
        if self.is(Mutation::LateAnswersAreApplied) {
            state.memory.forget_applied();
        }
        if self.is(Mutation::GenerationIsNotChecked) && state.memory.generation(shard) != generation {
            state.memory.forget_applied();
            state.memory.set_generation(shard, generation);
        }
        let taken = self.with_replica(world, isolate, |replica| pages.take(replica, &answer));
        self.keep_generation(world, isolate, shard, generation);
        match taken {
            Ok(Some(begun_at)) => {
                laws::no_gaps(self, world, isolate);
                if is_shared && let Answer::Synced(synced) = &answer {
                    world.faults.shares -= 1;
                    world.shared = Shared::write(synced, begun_at, &answer.write()).map(std::sync::Arc::new);
                }
            }
            Ok(None) => self.ask(world, isolate, shard, pages),
            Err(_) => {}
        }
        world.isolate(isolate).forget_asked();
    }

    /// For a mutation: who begins anew takes itself for the one from before.
    fn keep_generation(&self, world: &mut World, isolate: usize, shard: usize, generation: u64) {
        if self.is(Mutation::GenerationStays) {
            world.isolate(isolate).memory.set_generation(shard, generation);
        }
    }

    /// An answer as a mutation reads it.
    fn bent(&self, answer: Answer, position: u64) -> Answer {
        let Answer::Synced(mut synced) = answer else { return answer };
        if self.is(Mutation::FirstPageIsAll) {
            synced.is_complete = true;
        }
        if self.is(Mutation::AnythingJoins) {
            synced.after = synced.after.min(position);
            if let Some(directory) = &mut synced.directory {
                directory.sealed = directory.sealed.max(position);
            }
        }
        Answer::Synced(synced)
    }

    pub fn take_shared(&self, world: &mut World, isolate: usize) {
        let Some(mut bytes) = world.shared.as_deref().cloned() else { return };
        let now = world.clock(isolate);
        let known = Pages::new(0, 0).ask(&world.isolates[isolate].memory.replica(), now);
        if let (true, Some(known)) = (self.is(Mutation::SharedWithoutDirectory), known) {
            let (at, answer) = bytes.split_at(8);
            if let Some(Answer::Synced(synced)) = Answer::read(answer) {
                let synced = Synced { directory_id: known.directory, ..synced };
                bytes = [at, &Answer::Synced(synced).write()].concat();
            }
        }
        if self.is(Mutation::SharedCountsAsFresh) {
            bytes[..8].copy_from_slice(&now.as_millis().to_be_bytes());
        }
        if self.is(Mutation::ClocksAreOne) {
            let at = Shared::read(&bytes).map_or(0, |_| i64::from_be_bytes(bytes[..8].try_into().unwrap())) + 250;
            bytes[..8].copy_from_slice(&at.min(now.as_millis()).to_be_bytes());
        }
        let since = now.minus(self.bound);
        let applied = self.with_replica(world, isolate, |replica| {
            Shared::read(&bytes).is_some_and(|shared| shared.apply(replica, 0, since, now))
        });
        if applied {
            laws::no_gaps(self, world, isolate);
        }
    }

    pub fn load(&self, world: &mut World, isolate: usize, published: bool) {
        let now = world.clock(isolate);
        let Some((shard, segment)) = self.with_replica(world, isolate, |replica| next_to_load(replica, now)) else {
            return;
        };
        let place = shard as usize;
        let filter = if published {
            let filters = &world.kv.filters;
            if self.takes_any_filter() { filters.values().next() } else { filters.get(&segment.name) }.cloned()
        } else {
            let shards = world.isolates[isolate].memory.shards();
            match self.call(world, place, shards, Question::Segment(segment.name)) {
                Some(Answer::Segment(filter)) => filter,
                _ => None,
            }
        };
        let Some(filter) = filter else { return };
        let segment = if self.is(Mutation::FilterOfAnother) {
            let checksum: [u8; 32] = Sha256::digest(&filter).into();
            Segment { checksum: checksum[..16].try_into().unwrap(), ..segment }
        } else {
            segment
        };
        self.with_replica(world, isolate, |replica| take_filter(replica, shard, &segment, &filter));
    }

    /// A check from memory; it looks at the clock.
    pub fn look(&self, world: &mut World, isolate: usize, token: usize) {
        let now = world.clock(isolate);
        let matchable = self.tokens[token].matchable(&world.isolates[isolate].remembered[token]);
        let asked = weakest(&world.isolates[isolate]);
        let counts = !self.is(Mutation::StepsBackAreNotSeen);
        self.with_replica(world, isolate, |replica| {
            if counts {
                look_at_clock(replica, now);
            }
            if let Some(asked) = asked {
                let _ = look(replica, &matchable, Required::After(asked.number - 1), now);
            }
        });
        let state = world.isolate(isolate);
        if now < state.looked {
            state.unseen = std::time::Duration::ZERO;
        }
        state.looked = now;
        state.remembered[token] = remembered(&matchable);
    }

    pub fn begin_check(&self, world: &mut World, isolate: usize, token: usize) {
        let Some((asked, Lookup::Confirm(confirmations))) = strongest(self, world, isolate, token) else { return };
        world.faults.checks -= 1;
        let waits = Waits::Confirmation(confirmations[0].clone(), None);
        let Asked { number, answered, .. } = asked;
        world.isolate(isolate).check = Some(Check { token, begun: number - 1, answered, waits });
    }

    pub fn answer_check(&self, world: &mut World, isolate: usize) {
        let Some(mut check) = world.isolate(isolate).check.take() else { return };
        if let Waits::Confirmation(confirmation, answer) = &mut check.waits {
            let (shard, shards) = (confirmation.shard as usize, world.isolates[isolate].memory.shards());
            let digests = confirmation.digests.iter().map(|(_, digest)| *digest).collect();
            let mut at = confirmation.at;
            if self.is(Mutation::ConfirmWithoutLineage) {
                at = self.on_its_history(world, shard, at);
            }
            *answer = self.call(world, shard, shards, Question::Confirm(at, digests));
            if self.is(Mutation::ConfirmationCountsToTheLatest) {
                confirmation.at.version = self.latest(world, shard);
            }
        }
        world.isolate(isolate).check = Some(check);
    }

    pub fn receive_check(&self, world: &mut World, isolate: usize) {
        let Some(mut check) = world.isolate(isolate).check.take() else { return };
        let Waits::Confirmation(confirmation, Some(answer)) = check.waits.clone() else { return };
        let Confirmation { shard, generation, .. } = confirmation;
        let token = self.tokens[check.token].matchable(&world.isolates[isolate].remembered[check.token]);
        if answer == Answer::OtherHistory {
            self.with_replica(world, isolate, |replica| begin_anew(replica, shard, generation));
            self.keep_generation(world, isolate, shard as usize, generation);
        }
        let judged = judge(&token, &confirmation, &answer);
        if self.is(Mutation::GenerationIsNotedAfterTheWait) && judged.is_none() {
            let segments = world.isolates[isolate].memory.segments();
            edge_logout::revocation::steps::remember(&token, &(Some(segments), remembered(&token).1));
        }
        world.isolate(isolate).remembered[check.token] = remembered(&token);
        match judged {
            Some(Ok(Status::Revoked(_))) => laws::judge(self, world, check.token, check.answered, Says::Revoked),
            Some(Ok(Status::Active)) => world.break_law("strong"),
            Some(Err(_)) => {}
            None if self.is(Mutation::VerdictIsNotComputedAgain) => {
                laws::judge(self, world, check.token, check.answered, Says::Active);
            }
            None => {
                check.waits = Waits::Sync;
                world.isolate(isolate).check = Some(check);
                self.look_again(world, isolate);
            }
        }
    }

    /// Goes on when the replica is recent enough.
    pub fn look_again(&self, world: &mut World, isolate: usize) {
        let Some(mut check) = world.isolate(isolate).check.take() else { return };
        let state = &world.isolates[isolate];
        let token = self.tokens[check.token].matchable(&state.remembered[check.token]);
        let found = look(&state.memory.replica(), &token, Required::After(check.begun), world.clock(isolate));
        world.isolate(isolate).remembered[check.token] = remembered(&token);
        match found {
            Some(Lookup::Confirm(confirmations)) => {
                check.waits = Waits::Confirmation(confirmations[0].clone(), None);
                world.isolate(isolate).check = Some(check);
            }
            Some(Lookup::ReadKv) => laws::judge(self, world, check.token, check.answered, Says::AsksIndex),
            Some(Lookup::Known(Status::Active)) => laws::judge(self, world, check.token, check.answered, Says::Active),
            Some(Lookup::Known(Status::Revoked(_))) => {
                laws::judge(self, world, check.token, check.answered, Says::Revoked);
            }
            None => world.isolate(isolate).check = Some(check),
        }
    }
}

impl Isolate {
    /// What no check can rely on any more makes no difference.
    fn forget_asked(&mut self) {
        let least = |shard| self.memory.synced_number(shard);
        let under_way = |shard: usize| self.syncs.iter().any(|sync| sync.shard == shard);
        let is_needed = |asked: &Asked| {
            asked.number == least(asked.shard) || (asked.number > least(asked.shard) && under_way(asked.shard))
        };
        self.asked = self.asked.iter().filter(|asked| is_needed(asked)).copied().collect();
    }
}
