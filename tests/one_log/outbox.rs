//! The outbox beside a Workers KV that is slow, refuses, and takes writes in long after it was given up on.

use std::collections::{BTreeMap, BTreeSet};

use edge_logout::ports::IndexError;
use edge_logout::revocation::ledger::{BATCH, Ledger, Sizes, Write};
use edge_logout::revocation::{Digest, Limits, Logout, TokenEntry};
use proptest::prelude::*;

use super::{SMALL, SPARE, at, digest, record, session, session_of, settle, subject};
use crate::support::rows::MemoryRows;

/// How long after its time-out a write may still arrive.
const LATE: i64 = 60;

#[derive(Clone, Copy, Debug)]
enum Happening {
    Record { key: u64, cut_off: i64, lifetime: i64 },
    Take,
    End { batch: usize, outcomes: u64 },
    Arrive(usize),
    Pass(i64),
    Step,
    Restart,
}

fn happenings(restarts: bool) -> impl Strategy<Value = Happening> {
    prop_oneof![
        8 => (0..6_u64, 0..50_i64, 0..50_i64)
            .prop_map(|(key, cut_off, lifetime)| Happening::Record { key, cut_off, lifetime }),
        5 => Just(Happening::Take),
        5 => (0..4_usize, any::<u64>()).prop_map(|(batch, outcomes)| Happening::End { batch, outcomes }),
        2 => (0..4_usize).prop_map(Happening::Arrive),
        3 => (0..40_i64).prop_map(Happening::Pass),
        1 => Just(Happening::Step),
        1 => Just(if restarts { Happening::Restart } else { Happening::Step }),
    ]
}

struct LateWrite {
    digest: Digest,
    limits: Limits,
    until: i64,
}

/// A shard, its writes under way, and Workers KV.
struct World {
    ledger: Ledger<MemoryRows>,
    sizes: Sizes,
    now: i64,
    in_flight: Vec<Vec<Write>>,
    late: Vec<LateWrite>,
    kv: BTreeMap<Digest, Limits>,
    acknowledged: BTreeMap<Digest, Limits>,
    records: i64,
}

impl World {
    fn new(sizes: Sizes) -> Self {
        Self {
            ledger: Ledger::new(MemoryRows::default(), sizes),
            sizes,
            now: 0,
            in_flight: Vec::new(),
            late: Vec::new(),
            kv: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            records: 0,
        }
    }

    fn record(&mut self, logout: &Logout) {
        record(&mut self.ledger, std::slice::from_ref(logout), at(self.now)).unwrap();
        self.acknowledge(logout.widest.digest, logout.widest.limits());
        if let Some(TokenEntry { digest, expires_at }) = logout.token {
            self.acknowledge(digest, Limits { cut_off: None, expires_at });
        }
    }

    fn acknowledge(&mut self, digest: Digest, limits: Limits) {
        let known = self.acknowledged.entry(digest).or_insert(limits);
        *known = known.widened_by(&limits);
    }

    fn take(&mut self) {
        let batch = self.ledger.take_batch(at(self.now)).unwrap();
        assert!(batch.len() <= BATCH);
        let mut busy: BTreeSet<Digest> = self.in_flight.iter().flatten().map(|write| write.revocation.digest).collect();
        assert!(batch.iter().all(|write| busy.insert(write.revocation.digest)), "two writes of a key at once");
        if !batch.is_empty() {
            self.in_flight.push(batch);
        }
    }

    fn end(&mut self, batch: usize, mut outcomes: u64) {
        if batch >= self.in_flight.len() {
            return;
        }
        let mut ended = Vec::new();
        for write in self.in_flight.remove(batch) {
            let (digest, limits) = (write.revocation.digest, write.revocation.limits());
            let outcome = outcomes % 8;
            outcomes /= 8;
            let result = match outcome {
                0..=3 => Ok(()),
                4 => Err(IndexError::RateLimited),
                5 => Err(IndexError::Transient),
                6 => Err(IndexError::Permanent),
                _ => Err(IndexError::TimedOut),
            };
            if matches!(outcome, 0..=3) || outcome == 5 && outcomes.is_multiple_of(2) {
                self.kv.insert(digest, limits);
            }
            if outcome == 7 {
                self.late.push(LateWrite { digest, limits, until: self.now + LATE });
            }
            ended.push((write, result));
        }
        self.ledger.note_batch(ended, at(self.now)).unwrap();
    }

    fn arrive(&mut self, late: usize) {
        if late < self.late.len() {
            let LateWrite { digest, limits, .. } = self.late.remove(late);
            self.kv.insert(digest, limits);
        }
    }

    /// What is still to arrive does so at the last moment.
    fn pass(&mut self, seconds: i64) {
        self.now += seconds;
        while let Some(place) = self.late.iter().position(|late| late.until < self.now) {
            self.arrive(place);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Record { key, cut_off, lifetime } => {
                // The end of a session lives for a time from now.
                self.records += 10;
                let expires_at = at(100_000 + if key < 3 { lifetime * 10 } else { self.records });
                let logout = match key {
                    0..=2 => subject(key, at(cut_off), expires_at),
                    _ => session_of(key, 100 + key * 3 + lifetime.unsigned_abs() % 3, expires_at),
                };
                let token = logout.token.map(|token| TokenEntry { expires_at: at(50_000), ..token });
                self.record(&Logout { token, ..logout });
            }
            Happening::Take => self.take(),
            Happening::End { batch, outcomes } => self.end(batch, outcomes),
            Happening::Arrive(late) => self.arrive(late),
            Happening::Pass(seconds) => self.pass(seconds),
            Happening::Step => drop(self.ledger.step(at(self.now)).unwrap()),
            Happening::Restart => {
                let until = self.now + LATE;
                let under_way = std::mem::take(&mut self.in_flight).into_iter().flatten();
                let late = under_way.map(|write| LateWrite {
                    digest: write.revocation.digest,
                    limits: write.revocation.limits(),
                    until,
                });
                self.late.extend(late);
                self.ledger = Ledger::new(self.ledger.rows.clone(), self.sizes);
            }
        }
    }

    /// From now on Workers KV takes everything.
    fn end_well(&mut self) {
        for _ in 0..300 {
            self.pass(1);
            self.take();
            self.end(0, 0);
            settle(&mut self.ledger, at(self.now)).unwrap();
        }
        assert!(self.late.is_empty() && self.in_flight.is_empty());
        assert!(self.ledger.rows.pending.is_empty(), "{:?}", self.ledger.rows.pending);
        for (digest, limits) in &self.acknowledged {
            let stored = self.kv.get(digest);
            assert!(stored.is_some_and(|stored| stored.cover(limits, SPARE)), "{stored:?} does not cover {limits:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn workers_kv_has_the_widest_of_each_key_in_the_end(
        sealed in 2..6_usize, happenings in proptest::collection::vec(happenings(false), 1..120),
    ) {
        let mut world = World::new(Sizes { sealed, ..SMALL });
        for happening in happenings {
            world.happen(happening);
        }
        world.end_well();
    }

    #[test]
    fn workers_kv_has_the_widest_of_each_key_after_restarts(
        sealed in 2..6_usize, happenings in proptest::collection::vec(happenings(true), 1..120),
    ) {
        let mut world = World::new(Sizes { sealed, ..SMALL });
        for happening in happenings {
            world.happen(happening);
        }
        world.end_well();
    }
}

fn ledger(sizes: Sizes) -> Ledger<MemoryRows> {
    Ledger::new(MemoryRows::default(), sizes)
}

#[test]
fn a_logout_writes_its_widest_and_its_token_and_nothing_else() {
    let mut ledger = ledger(SMALL);
    record(&mut ledger, &[session_of(1, 2, at(1_000)), session(3, at(1_000))], at(0)).unwrap();
    let batch = ledger.take_batch(at(0)).unwrap();
    let written: Vec<_> = batch.iter().map(|write| (write.revocation.digest, write.revocation.expires_at)).collect();
    assert_eq!(written, [(digest(1), at(1_000)), (digest(2), at(990)), (digest(3), at(1_000))]);
    assert!(ledger.take_batch(at(0)).unwrap().is_empty());
    ledger.note_batch(batch.into_iter().map(|write| (write, Ok(()))).collect(), at(0)).unwrap();
    // The same again writes nothing; with another token of the session it writes that.
    record(&mut ledger, &[session_of(1, 2, at(1_000))], at(1)).unwrap();
    assert!(ledger.take_batch(at(1)).unwrap().is_empty());
    record(&mut ledger, &[session_of(1, 9, at(1_001))], at(1)).unwrap();
    let batch = ledger.take_batch(at(1)).unwrap();
    assert_eq!(batch.iter().map(|write| write.revocation.digest).collect::<Vec<_>>(), [digest(9)]);
    assert_eq!(ledger.rows.log.len(), 2);
}

#[test]
fn what_is_refused_is_tried_again_later_and_later_until_it_is_over() {
    let mut ledger = ledger(SMALL);
    record(&mut ledger, &[session(1, at(500))], at(0)).unwrap();
    let mut tries = Vec::new();
    for second in 0..600 {
        let batch = ledger.take_batch(at(second)).unwrap();
        if !batch.is_empty() {
            tries.push(second);
            let ended = batch.into_iter().map(|write| (write, Err(IndexError::Permanent))).collect();
            ledger.note_batch(ended, at(second)).unwrap();
        }
    }
    assert_eq!(tries[..7], [0, 1, 3, 7, 15, 31, 63]);
    assert!(tries[7..].windows(2).all(|pair| pair[1] - pair[0] == 60), "{tries:?}");
    assert!(tries.last().unwrap() < &500 && ledger.rows.pending.is_empty());
}

#[test]
fn what_is_refused_or_hangs_holds_up_nobody() {
    for error in [IndexError::Permanent, IndexError::RateLimited, IndexError::Transient, IndexError::TimedOut] {
        let mut ledger = ledger(SMALL);
        record(&mut ledger, &[session(0, at(100_000))], at(0)).unwrap();
        let mut waited = Vec::new();
        for second in 1..2_000_i64 {
            if second % 50 == 0 {
                let logout = session(second.unsigned_abs(), at(100_000));
                record(&mut ledger, &[logout], at(second)).unwrap();
                waited.push((second, None));
            }
            let batch = ledger.take_batch(at(second)).unwrap();
            let refused = |write: &Write| if write.revocation.digest == digest(0) { Err(error) } else { Ok(()) };
            if batch.iter().any(|write| write.revocation.digest != digest(0)) {
                waited.last_mut().unwrap().1 = Some(second);
            }
            let ended = batch.into_iter().map(|write| (write.clone(), refused(&write))).collect();
            ledger.note_batch(ended, at(second)).unwrap();
        }
        for (recorded, written) in waited {
            assert!(written.is_some_and(|written| written - recorded <= 2), "{error:?}: {recorded} {written:?}");
        }
    }
}

#[test]
fn a_write_that_hangs_holds_up_no_other_key() {
    let mut ledger = ledger(SMALL);
    record(&mut ledger, &[subject(0, at(0), at(100_000))], at(0)).unwrap();
    let hanging = ledger.take_batch(at(0)).unwrap();
    record(&mut ledger, &[subject(0, at(1), at(100_000)), session(1, at(100_000))], at(1)).unwrap();
    let batch = ledger.take_batch(at(1)).unwrap();
    assert_eq!(batch.iter().map(|write| write.revocation.digest).collect::<Vec<_>>(), [digest(1)]);
    ledger.note_batch(batch.into_iter().map(|write| (write, Ok(()))).collect(), at(2)).unwrap();
    ledger.note_batch(hanging.into_iter().map(|write| (write, Ok(()))).collect(), at(3)).unwrap();
    let batch = ledger.take_batch(at(5)).unwrap();
    assert_eq!(batch.iter().map(|write| write.revocation.cut_off).collect::<Vec<_>>(), [Some(at(1))]);
}

#[test]
fn pending_entries_that_hang_hold_up_no_others_that_are_pending() {
    let mut ledger = ledger(SMALL);
    let logouts: Vec<Logout> = (0..200).map(|number| session(number, at(100_000))).collect();
    record(&mut ledger, &logouts, at(0)).unwrap();
    let mut count = 0;
    loop {
        let batch = ledger.take_batch(at(0)).unwrap();
        if batch.is_empty() {
            break;
        }
        count += batch.len();
        ledger.note_batch(batch.into_iter().map(|write| (write, Err(IndexError::Permanent))).collect(), at(0)).unwrap();
    }
    assert_eq!((count, ledger.rows.pending.len()), (200, 200));
    // None of these ends; the others are handed out all the same.
    let taken: usize = (0..7).map(|_| ledger.take_batch(at(10)).unwrap().len()).sum();
    assert_eq!(taken, 200);
}

#[test]
fn while_workers_kv_takes_nothing_it_is_asked_rarely_and_then_everything_is_written() {
    let mut ledger = ledger(Sizes::DEFAULT);
    let mut tries = 0;
    let tick = |ledger: &mut Ledger<MemoryRows>, second: i64, result: Result<(), IndexError>, tries: &mut usize| {
        let batch = ledger.take_batch(at(second)).unwrap();
        *tries += batch.len();
        let is_some = !batch.is_empty();
        ledger.note_batch(batch.into_iter().map(|write| (write, result)).collect(), at(second)).unwrap();
        is_some
    };
    for second in 0..3_600_i64 {
        record(&mut ledger, &[session(second.unsigned_abs(), at(100_000))], at(second)).unwrap();
        tick(&mut ledger, second, Err(IndexError::Transient), &mut tries);
    }
    assert!(tries < 2 * 3_600, "{tries}");
    for second in 3_600..4_000 {
        while tick(&mut ledger, second, Ok(()), &mut tries) {}
    }
    assert!(ledger.rows.pending.is_empty());
    assert!(ledger.take_batch(at(5_000)).unwrap().is_empty());
    assert_eq!(ledger.rows.head.as_ref().unwrap().written, 3_600);
}

#[test]
fn a_clock_that_is_set_back_stops_no_writes() {
    let mut ledger = ledger(SMALL);
    record(&mut ledger, &[session(1, at(100_000)), session(2, at(100_000))], at(50_000)).unwrap();
    let batch = ledger.take_batch(at(50_000)).unwrap();
    ledger
        .note_batch(batch.into_iter().map(|write| (write, Err(IndexError::Transient))).collect(), at(50_000))
        .unwrap();
    record(&mut ledger, &[session(3, at(100_000))], at(10)).unwrap();
    let batch = ledger.take_batch(at(10)).unwrap();
    // Nobody knows when the others were due: they are written as well.
    assert_eq!(
        batch.iter().map(|write| write.revocation.digest).collect::<BTreeSet<_>>(),
        [digest(1), digest(2), digest(3)].into()
    );
}

#[test]
fn what_is_set_aside_narrows_nothing_that_is_written() {
    let mut ledger = ledger(Sizes { sealed: 4, ..SMALL });
    // The first write hangs all the time.
    record(&mut ledger, &[session(9, at(100_000))], at(0)).unwrap();
    let hanging = ledger.take_batch(at(0)).unwrap();
    let mut kv = BTreeMap::new();
    for place in 0..14 {
        let logout = if place % 7 == 0 {
            subject(1, at(place), at(100_000))
        } else {
            session(20 + place.unsigned_abs(), at(100_000))
        };
        record(&mut ledger, &[logout], at(1)).unwrap();
        let batch = ledger.take_batch(at(1)).unwrap();
        kv.extend(batch.iter().map(|write| (write.revocation.digest, write.revocation.limits())));
        ledger.note_batch(batch.into_iter().map(|write| (write, Ok(()))).collect(), at(1)).unwrap();
    }
    settle(&mut ledger, at(1)).unwrap();
    for _ in 0..10 {
        let batch = ledger.take_batch(at(2)).unwrap();
        kv.extend(batch.iter().map(|write| (write.revocation.digest, write.revocation.limits())));
        ledger.note_batch(batch.into_iter().map(|write| (write, Ok(()))).collect(), at(2)).unwrap();
    }
    assert_eq!(kv[&digest(1)].cut_off, Some(at(7)));
    drop(hanging);
}
