//! The law of the feed, against a reference that remembers everything: whoever follows it and asks the index never takes
//! for active what was recorded before the feed was asked last.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::support::authority::{ISSUER, revocation};
use crate::support::rows::MemoryRows;
use crate::support::shards::SETTLING;
use edge_logout::revocation::feed::{Applied, Changes, Follower, MEMORY};
use edge_logout::revocation::ledger::{Ledger, Since, SoleWriter};
use edge_logout::revocation::{Digest, Limits, Scope};
use edge_logout::time::Timestamp;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const CAPACITY: usize = 6;
const ISOLATES: usize = 2;

#[derive(Clone, Debug)]
enum Step {
    /// A logout: the user, and how long ago the cut-off is, in seconds.
    Record(u8, i64),
    Pass(i64),
    /// The ledger's alarm: how many writes to the index succeed, and how many fail then.
    Alarm(usize, usize),
    Ask(usize),
    Answer(usize),
    Receive(usize),
    Lose(usize),
    TakeShared(usize),
    Restart(usize),
    NewEpoch,
    /// An isolate is asked about a token of a user: the latest one, or one of those before.
    Check(usize, u8, u64),
}

fn step() -> impl Strategy<Value = Step> {
    let isolate = 0..ISOLATES;
    prop_oneof![
        6 => (0u8..4, 0i64..100).prop_map(|(user, back)| Step::Record(user, back)),
        4 => (0i64..2).prop_map(Step::Pass),
        4 => prop_oneof![1i64..60, Just(61), Just(121)].prop_map(Step::Pass),
        5 => Just(Step::Alarm(20, 0)),
        2 => (0usize..4, 0usize..3).prop_map(|(good, bad)| Step::Alarm(good, bad)),
        8 => isolate.clone().prop_map(Step::Ask),
        8 => (0usize..3).prop_map(Step::Answer),
        8 => (0usize..3).prop_map(Step::Receive),
        1 => (0usize..3).prop_map(Step::Lose),
        4 => isolate.clone().prop_map(Step::TakeShared),
        1 => isolate.clone().prop_map(Step::Restart),
        1 => Just(Step::NewEpoch),
        12 => (isolate, 0u8..4, 0u64..4).prop_map(|(isolate, user, token)| Step::Check(isolate, user, token)),
    ]
}

/// A question on its way, or its answer.
struct Flight {
    isolate: usize,
    life: u32,
    since: Since,
    asked_at: Timestamp,
    answer: Option<Changes>,
}

#[derive(Default)]
struct Isolate {
    /// How often it was started.
    life: u32,
    follower: Option<Follower>,
    asked_at: HashMap<(u8, Timestamp), Timestamp>,
}

struct World {
    ledger: Ledger<MemoryRows>,
    now: Timestamp,
    index: BTreeMap<String, Vec<(Timestamp, Limits)>>,
    recorded: Vec<(Timestamp, u8, Limits)>,
    flights: Vec<Flight>,
    shared: Option<(Timestamp, Changes)>,
    isolates: [Isolate; ISOLATES],
}

fn digest(user: u8) -> Digest {
    Digest::of(ISSUER, Scope::Subject, &user.to_string())
}

impl World {
    fn new(sole_writer: Option<SoleWriter>) -> Self {
        let mut ledger = Ledger { rows: MemoryRows::default(), settling: SETTLING, sole_writer };
        let Ok(()) = ledger.begin(NOW);
        Self {
            ledger,
            now: NOW,
            index: BTreeMap::new(),
            recorded: Vec::new(),
            flights: Vec::new(),
            shared: None,
            isolates: Default::default(),
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Record(user, back) => self.record(user, back),
            Step::Pass(seconds) => self.now = self.now.plus(Duration::from_secs(seconds.unsigned_abs())),
            Step::Alarm(good, bad) => self.alarm(good, bad),
            Step::Ask(isolate) => self.ask(isolate),
            Step::Answer(flight) => self.answer(flight),
            Step::Receive(flight) => self.receive(flight),
            Step::Lose(flight) if flight < self.flights.len() => drop(self.flights.remove(flight)),
            Step::TakeShared(isolate) => self.take_shared(isolate),
            Step::Restart(isolate) => {
                let life = self.isolates[isolate].life + 1;
                self.isolates[isolate] = Isolate { life, ..Isolate::default() };
            }
            // What the index alone knows by then is told nowhere else any more.
            Step::NewEpoch if self.ledger.sole_writer.is_none() => self.ledger.rows.head.epoch.push('+'),
            Step::Lose(_) | Step::NewEpoch => {}
            Step::Check(isolate, user, token) => self.check(isolate, user, token),
        }
    }

    fn record(&mut self, user: u8, back: i64) {
        let cut_off = Timestamp::from_millis(self.now.as_millis() - back * 1000);
        // Where the feed may be whole, what has left it is to be gone some time.
        let minutes = if self.ledger.sole_writer.is_some() { 1 + back.unsigned_abs() % 10 } else { 1_000_000 };
        let expires_at = self.now.plus(Duration::from_mins(minutes));
        let ends = revocation(Scope::Subject, &user.to_string(), Some(cut_off), expires_at);
        let Ok(()) = self.ledger.record(std::slice::from_ref(&ends), self.now);
        self.recorded.push((self.now, user, ends.limits()));
    }

    fn alarm(&mut self, good: usize, bad: usize) {
        for (place, row) in self.ledger.due(self.now, good + bad).unwrap().into_iter().enumerate() {
            let key = row.revocation.key.clone();
            let Ok(()) = if place < good {
                self.index.entry(key.clone()).or_default().push((self.now, row.revocation.limits()));
                self.ledger.indexed(&key, row.version, self.now, self.now)
            } else {
                self.ledger.not_indexed(&key, row.version, self.now)
            };
        }
        let Ok(()) = self.ledger.tidy(self.now);
    }

    fn ask(&mut self, isolate: usize) {
        let Isolate { life, follower, .. } = &self.isolates[isolate];
        let since = follower.as_ref().map_or(Since::Start(0), Follower::since);
        self.flights.push(Flight { isolate, life: *life, since, asked_at: self.now, answer: None });
    }

    fn answer(&mut self, flight: usize) {
        if let Some(flight) = self.flights.get_mut(flight) {
            flight.answer = Some(self.ledger.changes(&flight.since, self.now).unwrap());
        }
    }

    fn receive(&mut self, flight: usize) {
        if self.flights.get(flight).is_none_or(|flight| flight.answer.is_none()) {
            return;
        }
        let Flight { isolate, life, asked_at, answer, .. } = self.flights.remove(flight);
        let changes = answer.unwrap();
        self.shared = Some((asked_at, changes.clone()));
        if self.isolates[isolate].life == life {
            self.apply(isolate, &changes, asked_at);
        }
    }

    fn take_shared(&mut self, isolate: usize) {
        let Some((asked_at, changes)) = self.shared.clone() else { return };
        let follower = self.isolates[isolate].follower.as_ref();
        if follower.map_or(changes.after == 0, |follower| follower.can_take_shared(&changes)) {
            self.apply(isolate, &changes, asked_at);
        }
    }

    fn apply(&mut self, isolate: usize, changes: &Changes, asked_at: Timestamp) {
        let follower = &mut self.isolates[isolate].follower;
        let applied = follower.as_mut().map(|follower| follower.apply(changes, asked_at, self.now));
        match applied {
            Some(Applied::Fully | Applied::Partly) => {}
            Some(Applied::TooLarge) => *follower = None,
            Some(Applied::Gap) | None => *follower = Follower::begin(changes, asked_at, self.now, CAPACITY).ok(),
        }
        assert!(follower.as_ref().is_none_or(|follower| follower.len() <= CAPACITY), "memory is bounded");
    }

    /// What the index has to know. Of what was put later it may know nothing: nothing is the worst that it can say.
    fn index_ends(&self, user: u8, issued_at: Timestamp) -> bool {
        let settled =
            |(put, limits): &(Timestamp, Limits)| put.plus(SETTLING) <= self.now && limits.match_token(Some(issued_at));
        self.index.get(&digest(user).key(ISSUER, Scope::Subject)).is_some_and(|puts| puts.iter().any(settled))
    }

    /// What a strong check does besides: without the feed, the index is asked beside the ledger.
    fn ask_index(&mut self, isolate: usize, user: u8, issued_at: Timestamp) {
        if !self.index_ends(user, issued_at) {
            self.isolates[isolate].asked_at.insert((user, issued_at), self.now);
        }
    }

    fn check(&mut self, isolate: usize, user: u8, token: u64) {
        // A user logs in every hundred seconds.
        let millis = self.now.as_millis();
        let issued_at = Timestamp::from_millis(millis - millis % 100_000).minus(Duration::from_secs(token * 100));
        let follower = self.isolates[isolate].follower.as_ref().filter(|follower| follower.synced_at().is_some());
        let Some(follower) = follower else { return self.ask_index(isolate, user, issued_at) };
        if follower.ends(&digest(user), Some(issued_at)) {
            return;
        }
        let floor = follower.floor();
        let counts = |asked_at: &Timestamp| *asked_at >= floor && asked_at.plus(MEMORY) > self.now;
        let is_whole = self.ledger.sole_writer.is_some() && follower.whole_of() == 1;
        let asked_at = self.isolates[isolate].asked_at.get(&(user, issued_at));
        if !is_whole && !asked_at.is_some_and(counts) {
            if self.index_ends(user, issued_at) {
                return;
            }
            self.isolates[isolate].asked_at.insert((user, issued_at), self.now);
        }
        let synced_at = follower.synced_at().unwrap();
        let ends = |(at, of, limits): &&(Timestamp, u8, Limits)| {
            let is_live = limits.expires_at > self.now;
            *of == user && is_live && *at < synced_at && limits.match_token(Some(issued_at))
        };
        let missed = self.recorded.iter().find(ends);
        assert_eq!(
            missed, None,
            "recorded before {synced_at:?} and taken for active: {:?}",
            self.isolates[isolate].follower
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_recorded_before_the_feed_was_asked_is_never_active(steps in proptest::collection::vec(step(), 1..400)) {
        let mut world = World::new(None);
        for step in &steps {
            world.take(step);
        }
    }

    /// Nobody asks the index here while a feed says that it is whole.
    #[test]
    fn nor_where_a_whole_feed_says_all(kept in 0_usize..4, steps in proptest::collection::vec(step(), 1..400)) {
        let mut world = World::new(Some(SoleWriter { shards: 1, kept, history: Duration::ZERO }));
        for step in &steps {
            world.take(step);
        }
    }
}
