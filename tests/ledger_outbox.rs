//! The ledger as the outbox of the index: what is written when, when it leaves the feed, and that nothing is left.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::authority::revocation;
use crate::support::rows::MemoryRows;
use crate::support::shards::SETTLING;
use edge_logout::revocation::ledger::{Ledger, Since};
use edge_logout::revocation::{Digest, Limits, Revocation, Scope};
use edge_logout::time::Timestamp;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const KEY: &str = "u";

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() + millis)
}

fn cut_off(upto: i64) -> Revocation {
    revocation(Scope::Subject, KEY, Some(at(upto)), at(3_600_000))
}

fn with(batch: &[Revocation]) -> Ledger<MemoryRows> {
    let mut ledger = Ledger { rows: MemoryRows::default(), settling: SETTLING, sole_writer: None };
    let Ok(()) = ledger.record(batch, NOW);
    ledger
}

fn due(ledger: &Ledger<MemoryRows>, millis: i64) -> usize {
    ledger.due(at(millis), 100).unwrap().len()
}

fn next(ledger: &Ledger<MemoryRows>) -> Option<i64> {
    ledger.next_alarm().unwrap().map(|next| next.as_millis() - NOW.as_millis())
}

fn indexed(ledger: &mut Ledger<MemoryRows>, version: u64, millis: i64) {
    let Ok(()) = ledger.indexed(&cut_off(0).key, version, at(millis), at(millis));
}

fn tidy(ledger: &mut Ledger<MemoryRows>, millis: i64) {
    let Ok(()) = ledger.tidy(at(millis));
}

fn in_feed(ledger: &Ledger<MemoryRows>) -> usize {
    ledger.changes(&Since::Start(0), NOW).unwrap().entries.len()
}

#[test]
fn what_is_recorded_gathers_for_a_moment_and_is_written() {
    let mut ledger = with(&[cut_off(0)]);
    assert_eq!((next(&ledger), due(&ledger, 99), due(&ledger, 100)), (Some(100), 0, 1));
    indexed(&mut ledger, 1, 150);
    assert_eq!((due(&ledger, 3_000_000), next(&ledger)), (0, Some(120_150)), "then it settles");
}

#[test]
fn what_has_settled_leaves_the_feed_and_not_before() {
    let mut ledger = with(&[cut_off(0)]);
    indexed(&mut ledger, 1, 100);
    tidy(&mut ledger, 120_099);
    assert_eq!(in_feed(&ledger), 1);
    tidy(&mut ledger, 120_100);
    let told = ledger.changes(&Since::Start(0), NOW).unwrap();
    assert_eq!((told.entries.len(), told.trimmed, told.oldest), (0, 1, 2));
    assert!(ledger.contains(&[cut_off(0).key]).unwrap()[0].is_some(), "the ledger itself knows it until it expires");
}

#[test]
fn what_is_never_written_never_leaves_the_feed() {
    let mut ledger = with(&[cut_off(0)]);
    tidy(&mut ledger, 3_599_999);
    assert_eq!((in_feed(&ledger), due(&ledger, 3_599_999)), (1, 1));
}

#[test]
fn pauses_double_up_to_a_minute() {
    let mut ledger = with(&[cut_off(0)]);
    let mut pauses = Vec::new();
    for _ in 0..40 {
        let Ok(()) = ledger.not_indexed(&cut_off(0).key, 1, NOW);
        pauses.push(next(&ledger).unwrap() / 1000);
    }
    assert_eq!(pauses[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
    assert!(pauses[8..].iter().all(|pause| *pause == 60), "however many: {pauses:?}");
    indexed(&mut ledger, 1, 0);
    assert_eq!(ledger.rows.rows[&cut_off(0).key].failures, 0);
}

#[test]
fn an_answer_about_an_earlier_form_says_nothing_of_the_later_one() {
    let mut ledger = with(&[cut_off(0)]);
    let Ok(()) = ledger.record(&[cut_off(5)], at(50));
    indexed(&mut ledger, 1, 200);
    let Ok(()) = ledger.not_indexed(&cut_off(0).key, 1, at(200));
    let Ok(()) = ledger.indexed("nobody's key", 1, NOW, NOW);
    assert_eq!((due(&ledger, 200), in_feed(&ledger)), (1, 1));
}

#[test]
fn a_form_that_replaces_one_on_its_way_is_written_again_when_that_can_no_longer_arrive() {
    let mut ledger = with(&[cut_off(0)]);
    let Ok(()) = ledger.record(&[cut_off(5)], at(50));
    indexed(&mut ledger, 2, 200);
    assert_eq!(
        (due(&ledger, 65_049), due(&ledger, 65_050)),
        (0, 1),
        "a minute after the last write of it was given up"
    );
    tidy(&mut ledger, 65_050);
    indexed(&mut ledger, 2, 65_060);
    assert_eq!((due(&ledger, 3_000_000), next(&ledger)), (0, Some(185_060)));
}

#[test]
fn what_was_sent_before_the_late_one_could_arrive_does_not_count_though_it_is_answered_later() {
    let mut ledger = with(&[cut_off(0)]);
    let Ok(()) = ledger.record(&[cut_off(5)], at(50));
    let Ok(()) = ledger.indexed(&cut_off(0).key, 2, at(65_049), at(65_100));
    assert_eq!((due(&ledger, 65_099), due(&ledger, 65_100)), (0, 1), "sent before, so it is repeated at once");
    let Ok(()) = ledger.indexed(&cut_off(0).key, 2, at(65_100), at(65_200));
    assert_eq!(next(&ledger), Some(185_200));
}

#[test]
fn a_write_that_was_given_up_before_another_succeeded_is_still_on_its_way() {
    let mut ledger = with(&[cut_off(0)]);
    let Ok(()) = ledger.not_indexed(&cut_off(0).key, 1, at(5_100));
    indexed(&mut ledger, 1, 6_200);
    let Ok(()) = ledger.record(&[cut_off(7_000)], at(7_000));
    indexed(&mut ledger, 2, 7_200);
    assert_eq!(due(&ledger, 72_200), 1, "the one given up may replace the wider one yet");
}

#[test]
fn what_settled_long_ago_and_is_widened_is_not_contested() {
    let mut ledger = with(&[cut_off(0)]);
    indexed(&mut ledger, 1, 100);
    tidy(&mut ledger, 120_100);
    let Ok(()) = ledger.record(&[cut_off(5)], at(200_000));
    assert_eq!((in_feed(&ledger), due(&ledger, 200_100)), (1, 1), "it is back in the feed");
    indexed(&mut ledger, 2, 200_100);
    assert_eq!((due(&ledger, 3_000_000), next(&ledger)), (0, Some(320_100)));
}

#[test]
fn after_the_last_expiry_nothing_is_left() {
    let short = revocation(Scope::Token, "t", None, at(10_000));
    let mut ledger = with(&[cut_off(0), short]);
    tidy(&mut ledger, 129_999);
    assert_eq!(ledger.rows.rows.len(), 2, "a clock that is behind may still ask");
    tidy(&mut ledger, 130_000);
    assert_eq!(ledger.rows.rows.len(), 1);
    tidy(&mut ledger, 3_720_000);
    assert_eq!((ledger.rows.rows.len(), next(&ledger)), (0, None));
}

/// What a logout, or the index, does next.
#[derive(Clone, Debug)]
enum Step {
    Record { users: Vec<(u8, i64, i64)> },
    Pass(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let user = (0u8..6, 0i64..200_000, 1i64..900_000);
    let record = proptest::collection::vec(user, 1..4).prop_map(|users| Step::Record { users });
    proptest::collection::vec(prop_oneof![record, (0i64..200_000).prop_map(Step::Pass)], 1..30)
}

/// A ledger whose alarm is obeyed, with an index that fails now and then and notes what it has.
struct World {
    ledger: Ledger<MemoryRows>,
    now: i64,
    failing: Vec<bool>,
    index: BTreeMap<String, (Limits, i64)>,
    recorded: BTreeMap<String, Limits>,
}

impl World {
    fn alarm(&mut self) {
        for row in self.ledger.due(at(self.now), 3).unwrap() {
            let key = row.revocation.key.clone();
            if self.failing.pop().unwrap_or(false) {
                let Ok(()) = self.ledger.not_indexed(&key, row.version, at(self.now));
                continue;
            }
            let limits = row.revocation.limits();
            // Rewriting the same takes nothing from how long it has been there.
            let since = self.index.get(&key).filter(|(known, _)| *known == limits).map_or(self.now, |known| known.1);
            self.index.insert(key.clone(), (limits, since));
            let Ok(()) = self.ledger.indexed(&key, row.version, at(self.now), at(self.now));
        }
        let Ok(()) = self.ledger.tidy(at(self.now));
    }

    /// Lets time pass, the alarm going off whenever it says. Gives how often that was.
    fn pass_until(&mut self, end: i64) -> usize {
        let mut alarms = 0;
        while let Some(next) = next(&self.ledger).filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.alarm();
            self.check();
            alarms += 1;
            assert!(alarms < 10_000, "the alarm goes off for nothing");
        }
        self.now = end;
        alarms
    }

    /// Whatever is live is in the feed as it is, or has been in the index for the settling time.
    fn check(&self) {
        let feed = self.ledger.changes(&Since::Start(0), NOW).unwrap();
        for (key, limits) in self.recorded.iter().filter(|(_, limits)| limits.expires_at > at(self.now)) {
            let digest = Digest::of_key(key).unwrap();
            let told = feed.entries.iter().any(|entry| entry.0 == digest && entry.2 >= limits.cut_off);
            let settled = |(known, since): &(Limits, i64)| {
                known.cover(limits, Duration::ZERO) && at(*since).plus(SETTLING) <= at(self.now)
            };
            assert!(told || self.index.get(key).is_some_and(settled), "{key} at {}: {:?}", self.now, self.ledger);
        }
    }

    fn record(&mut self, users: &[(u8, i64, i64)]) {
        let at_user = |(user, back, life): &(u8, i64, i64)| {
            let (cut_off, expires_at) = (at(self.now - back), at(self.now + life));
            revocation(Scope::Subject, &user.to_string(), Some(cut_off), expires_at)
        };
        let batch: Vec<_> = users.iter().map(at_user).collect();
        let Ok(()) = self.ledger.record(&batch, at(self.now));
        for revocation in &batch {
            let limits = revocation.limits();
            let known = self.recorded.entry(revocation.key.clone()).or_insert(limits);
            // What had expired may have been removed by now, and ends nothing any more.
            let is_gone = known.expires_at <= at(self.now);
            *known = if is_gone { limits } else { known.widened_by(&limits) };
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing falls between feed and index, and nothing is left in the end.
    #[test]
    fn whoever_obeys_the_alarm_misses_nothing(steps in steps(), failing in proptest::collection::vec(any::<bool>(), 40)) {
        let (index, recorded) = (BTreeMap::new(), BTreeMap::new());
        let mut world = World { ledger: with(&[]), now: 0, failing, index, recorded };
        for step in &steps {
            match step {
                Step::Record { users } => world.record(users),
                Step::Pass(millis) => drop(world.pass_until(world.now + millis)),
            }
            world.check();
        }
        world.pass_until(world.now + 10_000_000);
        prop_assert!(world.ledger.rows.rows.is_empty(), "{:?}", world.ledger);
        prop_assert_eq!(next(&world.ledger), None);
    }
}
