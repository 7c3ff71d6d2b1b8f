//! What comes of a step.

use std::collections::hash_map::DefaultHasher;
use std::hash::{BuildHasher, BuildHasherDefault};
use std::sync::Arc;

use edge_logout::revocation::feed::Changes;
use edge_logout::time::Timestamp;

use crate::mutations::Mutation;
use crate::steps::{Step, soon};
use crate::world::{Flight, LATE_WRITE, Poll, Progress, Scene, Shard, Shared, World};

impl Scene {
    /// The world after a step.
    pub fn take(&self, world: &World, step: Step) -> World {
        let mut next = world.clone();
        match step {
            Step::Tick { by } => {
                next.moves -= 1;
                next.now = next.now.plus(by);
                next.index.settle(next.now, self.settling);
            }
            Step::LogOut { logout } => {
                if self.mutation != Some(Mutation::AnsweredBeforeRecorded) {
                    self.record(&mut next, logout);
                }
                next.logouts[logout] = Progress::Answered(next.now);
            }
            Step::LandLate { stray } => next.index.land(stray, next.now, self.settling),
            Step::Alarm { shard } | Step::Tidy { shard } | Step::Crash { shard } | Step::LoseStorage { shard } => {
                self.take_in_shard(&mut next, shard, step);
            }
            Step::Land { shard, flight } | Step::PutDone { shard, flight } | Step::PutFails { shard, flight } => {
                self.take_in_flight(&mut next, shard, flight, step);
            }
            Step::TakeShared { isolate } => {
                let Shared { shard, asked_at, changes } = next.shared.as_deref().unwrap().clone();
                let fresh = self.mutation == Some(Mutation::SharedCountsAsFresh);
                let asked_at = if fresh { next.now } else { asked_at };
                next.isolate(isolate).feeds[shard].take(self, changes, asked_at, world.now);
            }
            Step::AskIndex { isolate, token } => next.isolate(isolate).asked[token] = Some(next.now),
            Step::Restart { isolate } => {
                next.faults.restarts -= 1;
                *next.isolate(isolate) = self.fresh_isolate(true);
            }
            Step::SendPoll { isolate, shard }
            | Step::AnswerPoll { isolate, shard }
            | Step::ReceivePoll { isolate, shard }
            | Step::SharePoll { isolate, shard }
            | Step::LosePoll { isolate, shard } => self.take_in_poll(&mut next, isolate, shard, step),
        }
        // Isolates are alike: which of them is the first says nothing.
        if next.isolates.len() > 1 {
            next.isolates
                .sort_by_cached_key(|isolate| BuildHasherDefault::<DefaultHasher>::default().hash_one(isolate));
        }
        next
    }

    fn record(&self, world: &mut World, logout: usize) {
        let now = world.now;
        for revocation in &self.logouts[logout] {
            let shard = world.shard(self.shard_of(&revocation.key));
            let tables = &mut shard.ledger.rows;
            let before = (tables.head.latest, tables.rows.get(&revocation.key).cloned());
            if self.mutation == Some(Mutation::NarrowerReplacesWider) {
                tables.rows.remove(&revocation.key);
            }
            let Ok(()) = shard.ledger.record(std::slice::from_ref(revocation), now);
            let tables = &mut shard.ledger.rows;
            if self.mutation == Some(Mutation::VersionStays)
                && let (latest, Some(row)) = before
            {
                tables.head.latest = latest;
                tables.rows.get_mut(&revocation.key).unwrap().version = row.version;
            }
        }
    }

    fn take_in_shard(&self, world: &mut World, number: usize, step: Step) {
        let now = world.now;
        let shard = world.shard(number);
        match step {
            Step::Alarm { .. } => shard.begin_writes(now),
            Step::Tidy { .. } => {
                let Ok(()) = shard.ledger.tidy(now);
            }
            Step::Crash { .. } => {
                world.faults.crashes -= 1;
                Self::abandon_writes(world, number);
                if self.mutation == Some(Mutation::RecordedInMemory) {
                    world.shard(number).ledger.rows.rows.retain(|_, row| row.indexed_at.is_some());
                }
            }
            _ => {
                world.faults.losses -= 1;
                world.shard(number).flights.clear();
                self.lose_storage(world, number);
            }
        }
    }

    fn abandon_writes(world: &mut World, number: usize) {
        for flight in std::mem::take(&mut world.shard(number).flights) {
            if !flight.has_landed {
                world.index.add_stray(&flight.key, flight.limits, world.now.plus(LATE_WRITE));
            }
        }
    }

    /// What the index did not have for the settling time is lost with it, and nobody promised otherwise.
    fn lose_storage(&self, world: &mut World, number: usize) {
        let now = world.now;
        let before = Arc::clone(&world.shards[number]);
        for (batch, progress) in self.logouts.iter().zip(&mut world.logouts) {
            let here = |key: &String| self.shard_of(key) == number;
            let rows = &before.ledger.rows.rows;
            let has_settled = |at: Timestamp| at.plus(self.settling) <= now;
            let is_safe =
                |key: &String| rows.get(key).is_some_and(|row| !row.in_feed || row.indexed_at.is_some_and(has_settled));
            if *progress != Progress::Idle && batch.iter().any(|one| here(&one.key) && !is_safe(&one.key)) {
                *progress = Progress::Void;
            }
        }
        let shard = world.shard(number);
        shard.lives += 1;
        let stays = self.mutation == Some(Mutation::EpochStays);
        let epoch = if stays { "life-0".to_owned() } else { format!("life-{}", shard.lives) };
        shard.ledger = self.ledger(&epoch, now);
    }

    fn take_in_flight(&self, world: &mut World, number: usize, place: usize, step: Step) {
        let now = world.now;
        if let Step::Land { .. } = step {
            let flight = &mut world.shard(number).flights[place];
            flight.has_landed = true;
            let flight = flight.clone();
            world.index.put(&flight.key, flight.limits, now, self.settling);
            return;
        }
        let flight = world.shards[number].flights[place].clone();
        if matches!(step, Step::PutDone { .. }) && !flight.has_landed {
            world.index.put(&flight.key, flight.limits, now, self.settling);
        }
        let shard = world.shard(number);
        let Flight { key, version, limits, begun_at, has_landed } = shard.flights.remove(place);
        if matches!(step, Step::PutDone { .. }) {
            let current = shard.ledger.rows.rows.get(&key).map_or(version, |row| row.version);
            let version = if self.mutation == Some(Mutation::IndexedThoughChanged) { current } else { version };
            let sent_at = if self.mutation == Some(Mutation::SentCountsAsWhenAnswered) { now } else { begun_at };
            let Ok(()) = shard.ledger.indexed(&key, version, sent_at, now);
            return;
        }
        let Ok(()) = match self.mutation {
            Some(Mutation::FailedWritesCount) => shard.ledger.indexed(&key, version, begun_at, now),
            _ => shard.ledger.not_indexed(&key, version, now),
        };
        world.faults.puts -= 1;
        if !has_landed {
            world.index.add_stray(&key, limits, now.plus(LATE_WRITE));
        }
    }

    fn take_in_poll(&self, world: &mut World, isolate: usize, number: usize, step: Step) {
        let now = world.now;
        if matches!(step, Step::SendPoll { .. }) {
            world.faults.polls = world.faults.polls.map(|polls| polls - 1);
        }
        let shard = Arc::clone(&world.shards[number]);
        let feed = &mut world.isolate(isolate).feeds[number];
        match step {
            Step::SendPoll { .. } => feed.poll = Some(Poll { asked_at: now, since: feed.since(), answer: None }),
            Step::AnswerPoll { .. } => {
                let poll = feed.poll.as_mut().unwrap();
                let Ok(changes) = shard.ledger.changes(&poll.since, now);
                poll.answer = Some(self.cut(changes));
            }
            Step::SharePoll { .. } => {
                let Poll { asked_at, answer, .. } = feed.poll.take().unwrap();
                let changes = answer.unwrap();
                let is_whole = feed.take(self, changes.clone(), asked_at, now);
                world.faults.shares -= 1;
                if is_whole {
                    world.shared = Some(Arc::new(Shared { shard: number, asked_at, changes }));
                }
            }
            Step::ReceivePoll { .. } => {
                let Poll { asked_at, answer, .. } = feed.poll.take().unwrap();
                feed.take(self, answer.unwrap(), asked_at, now);
            }
            _ => {
                feed.poll = None;
                if self.mutation == Some(Mutation::FailedPollsCount) && feed.follower.is_some() {
                    feed.believed = Some(now);
                }
            }
        }
    }

    /// A page of the feed, as the ledger would cut it if its pages were smaller.
    fn cut(&self, changes: Changes) -> Changes {
        if changes.entries.len() < self.page {
            return changes;
        }
        let entries = changes.entries[..self.page].to_vec();
        if self.mutation == Some(Mutation::PagesAreWhole) {
            return Changes { entries, ..changes };
        }
        Changes { upto: entries[self.page - 1].1, is_complete: false, entries, ..changes }
    }
}

impl Shard {
    fn begin_writes(&mut self, now: Timestamp) {
        let Ok(due) = self.ledger.due(soon(now), usize::MAX);
        self.flights = due
            .into_iter()
            .map(|row| Flight {
                limits: row.revocation.limits(),
                key: row.revocation.key,
                version: row.version,
                begun_at: now,
                has_landed: false,
            })
            .collect();
    }
}
