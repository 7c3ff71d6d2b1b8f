//! Checks beside each other: requests of one isolate, and isolates of one location, sync for each other.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use crate::support::authority::{BOUNDED, Isolate, LIMIT, only, revocation, token};
use crate::support::platform::{LedgerFault, TestPlatform};
use crate::support::run;
use crate::support::shards::setup;
use edge_logout::ports::{Clock, LedgerError};
use edge_logout::revocation::Scope;
use edge_logout::revocation::ledger::{Answer, Synced};
use edge_logout::time::Timestamp;
use edge_logout::wait::within;
use futures_util::future::{Either, select};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// Lets so many milliseconds pass.
fn pass(platform: &TestPlatform, millis: u64) {
    platform.pass(Duration::from_millis(millis));
}

/// Isolates that have synced once: a new one has nothing that a shared answer could lead on from.
fn isolates(platform: &TestPlatform, count: usize) -> Vec<Isolate> {
    let isolates: Vec<_> = (0..count).map(|_| Isolate::new(1)).collect();
    platform.record(setup(0, 1), vec![only(revocation(Scope::Session, "x", None, NOW.plus(Duration::from_hours(1))))]);
    for isolate in &isolates {
        assert!(isolate.is_active(platform, &token("first"), BOUNDED));
    }
    pass(platform, 2_000);
    platform.move_elsewhere();
    platform.asked.borrow_mut().clear();
    isolates
}

#[test]
fn a_recent_answer_of_another_isolate_of_the_location_does_too() {
    let platform = TestPlatform::at(NOW);
    let [one, other] = isolates(&platform, 2).try_into().ok().unwrap();
    for round in 0..10 {
        one.is_active(&platform, &token("a"), BOUNDED);
        pass(&platform, 100);
        other.is_active(&platform, &token("b"), BOUNDED);
        assert_eq!(platform.asked("Sync"), round + 1, "two isolates, one sync");
        pass(&platform, 1_001);
    }
}

#[test]
fn a_shared_answer_says_what_was_revoked_elsewhere_and_is_followed_by_the_next_one() {
    let platform = TestPlatform::at(NOW);
    let [one, other] = isolates(&platform, 2).try_into().ok().unwrap();
    for name in ["a", "b", "c"] {
        Isolate::new(1).log_out(&platform, name).unwrap();
        one.is_active(&platform, &token("x"), BOUNDED);
        let before = platform.asked("Sync");
        assert!(!other.is_active(&platform, &token(name), BOUNDED));
        assert_eq!(platform.asked("Sync"), before, "{name}: nobody was asked");
        pass(&platform, 1_001);
    }
}

#[test]
fn an_isolate_that_is_too_far_behind_for_a_shared_answer_asks_for_itself() {
    let platform = TestPlatform::at(NOW);
    let [one, other] = isolates(&platform, 2).try_into().ok().unwrap();
    for name in ["a", "b"] {
        for number in 0..9 {
            Isolate::new(1).log_out(&platform, &format!("{name}-{number}")).unwrap();
        }
        one.is_active(&platform, &token("x"), BOUNDED);
        pass(&platform, 1_001);
    }
    one.is_active(&platform, &token("x"), BOUNDED);
    let before = platform.asked("Sync");
    assert!(!other.is_active(&platform, &token("a-0"), BOUNDED));
    assert_eq!(platform.asked("Sync"), before + 1, "18 behind, and 16 are repeated");
}

/// It counts as a quarter of a second older, since the clocks of two machines meet here.
#[test]
fn a_shared_answer_is_as_old_as_its_question() {
    for (millis, syncs) in [(749, 1), (751, 2)] {
        let platform = TestPlatform::at(NOW);
        let [one, other] = isolates(&platform, 2).try_into().ok().unwrap();
        platform.ledger_faults.borrow_mut().push_back(LedgerFault::AnswersAfter(Duration::from_millis(500)));
        one.is_active(&platform, &token("a"), BOUNDED);
        pass(&platform, millis - 500);
        other.is_active(&platform, &token("a"), BOUNDED);
        assert_eq!(platform.asked("Sync"), syncs, "{millis}");
    }
    let platform = TestPlatform::at(NOW);
    let [one, other] = isolates(&platform, 2).try_into().ok().unwrap();
    one.is_active(&platform, &token("a"), BOUNDED);
    pass(&platform, 700);
    other.is_active(&platform, &token("a"), BOUNDED);
    pass(&platform, 51);
    one.log_out(&platform, "a").unwrap();
    pass(&platform, 250);
    other.is_active(&platform, &token("a"), BOUNDED);
    assert_eq!(platform.asked("Sync"), 2, "a sync of its own, as what it was given is 1,001 ms old by now");
}

/// How often an isolate syncs by itself when this is what its location shares.
fn syncs_beside(millis_later: u64, change: impl FnOnce(&mut Vec<u8>, &mut Synced)) -> usize {
    let platform = TestPlatform::at(NOW);
    let [one, other] = isolates(&platform, 2).try_into().ok().unwrap();
    one.is_active(&platform, &token("a"), BOUNDED);
    let shared = platform.shared.borrow()["sync-0"].clone();
    let (mut asked_at, answer) = (shared[..8].to_vec(), Answer::read(&shared[8..]).unwrap());
    let Answer::Synced(mut synced) = answer else { panic!("{answer:?}") };
    change(&mut asked_at, &mut synced);
    asked_at.extend(Answer::Synced(synced).write());
    platform.shared.borrow_mut().insert("sync-0".to_owned(), asked_at);
    pass(&platform, millis_later);
    assert!(other.is_active(&platform, &token("b"), BOUNDED));
    platform.asked("Sync") - 1
}

#[test]
fn what_is_shared_is_used_only_when_it_is_recent_and_makes_sense() {
    let at = |time: Timestamp| time.as_millis().to_be_bytes().to_vec();
    assert_eq!(syncs_beside(750, |_, _| ()), 0);
    assert_eq!(syncs_beside(751, |_, _| ()), 1, "too old");
    let future = at(NOW.plus(Duration::from_secs(9)));
    assert_eq!(syncs_beside(0, |asked_at, _| *asked_at = future), 1, "asked for in the future");
    assert_eq!(syncs_beside(0, |asked_at, _| asked_at.truncate(3)), 1);
    assert_eq!(syncs_beside(0, |_, synced| synced.lineage += 1), 1, "of another history");
    assert_eq!(syncs_beside(0, |_, synced| synced.directory_id += 1), 1, "beside other segments");
    assert_eq!(syncs_beside(0, |_, synced| (synced.after, synced.upto) = (7, 8)), 1, "leads on from somewhere else");
    assert_eq!(syncs_beside(0, |_, synced| synced.is_complete = false), 1);
}

#[test]
fn many_requests_at_once_sync_once() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
    platform.ledger_down.set(Some(LedgerFault::Takes(Duration::from_millis(50))));
    let names: Vec<_> = (0..100).map(|number| token(&number.to_string())).collect();
    let checks = names.iter().map(|token| async { isolate.on(&platform).status(token, BOUNDED, LIMIT).await });
    let statuses = run(futures_util::future::join_all(checks));
    assert!(statuses.iter().all(|known| known.unwrap().freshness == BOUNDED));
    assert_eq!(platform.asked("Sync"), 1);
}

#[test]
fn isolates_of_a_location_sync_one_at_a_time() {
    let platform = TestPlatform::at(NOW);
    let isolates = isolates(&platform, 20);
    platform.ledger_down.set(Some(LedgerFault::Takes(Duration::from_millis(50))));
    let a = token("a");
    for round in 1..4 {
        let checks = isolates.iter().map(|isolate| async { isolate.on(&platform).status(&a, BOUNDED, LIMIT).await });
        let statuses = run(futures_util::future::join_all(checks));
        assert!(statuses.iter().all(|known| known.unwrap().freshness == BOUNDED));
        assert_eq!(platform.asked("Sync"), round);
        pass(&platform, 1_001);
    }
}

#[test]
fn a_sync_that_another_isolate_never_ends_is_not_waited_for_long() {
    let (platform, a) = (TestPlatform::imported_at(NOW), token("a"));
    let [gone, other] = isolates(&platform, 2).try_into().ok().unwrap();
    let (begin, recalls) = (platform.now(), platform.recalls.get());
    platform.ledger_faults.borrow_mut().push_back(LedgerFault::Hangs);
    let authority = gone.on(&platform);
    assert_eq!(run(within::<TestPlatform, _>(Duration::from_millis(1), authority.status(&a, BOUNDED, LIMIT))), None);
    assert_eq!(other.check(&platform, &a, BOUNDED).unwrap().freshness, BOUNDED);
    assert!(platform.now().since(begin) < Duration::from_secs(1), "{:?}", platform.now());
    let recalls = platform.recalls.get() - recalls;
    assert!(recalls <= 16, "{recalls} calls: a request has only so many");
}

#[test]
fn isolates_do_not_refresh_in_step() {
    let platform = TestPlatform::at(NOW);
    let isolates: Vec<_> = (0..40).map(|_| Isolate::new(1)).collect();
    for isolate in &isolates {
        assert!(isolate.is_active(&platform, &token("a"), BOUNDED));
    }
    let second = Duration::from_secs(1);
    let due = |millis| {
        isolates
            .iter()
            .filter(|isolate| isolate.replica.wants_refresh(second, NOW.plus(Duration::from_millis(millis))))
            .count()
    };
    assert_eq!(due(399), 0);
    assert!((1..40).contains(&due(450)), "{}", due(450));
    assert_eq!(due(502), 40);
}

#[test]
fn who_waits_for_a_request_that_is_gone_goes_on_by_itself() {
    let (platform, isolate, a) = (TestPlatform::at(NOW), Isolate::new(1), token("a"));
    platform.ledger_faults.borrow_mut().push_back(LedgerFault::Hangs);
    let authority = isolate.on(&platform);
    let check = authority.status(&a, BOUNDED, LIMIT);
    assert_eq!(run(within::<TestPlatform, _>(Duration::from_millis(1), check)), None);
    assert_eq!(isolate.check(&platform, &a, BOUNDED).unwrap().freshness, BOUNDED);
}

#[test]
fn who_waits_for_a_request_that_never_ends_goes_on_by_itself() {
    let (platform, isolate, a, b) = (TestPlatform::at(NOW), Isolate::new(1), token("a"), token("b"));
    platform.ledger_faults.borrow_mut().push_back(LedgerFault::Hangs);
    let authority = isolate.on(&platform);
    let hangs = std::pin::pin!(authority.status(&a, BOUNDED, LIMIT));
    let other = std::pin::pin!(authority.status(&b, BOUNDED, LIMIT));
    let Either::Right((known, _)) = run(select(hangs, other)) else { panic!("the one that hangs has ended first") };
    assert_eq!(known.unwrap().freshness, BOUNDED);
}

#[test]
fn when_a_sync_fails_nobody_waits_for_it_in_turn() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
    platform.ledger_faults.borrow_mut().push_back(LedgerFault::Error(LedgerError::Failed));
    let names: Vec<_> = (0..100).map(|number| token(&number.to_string())).collect();
    let checks = names.iter().map(|token| async { isolate.on(&platform).status(token, BOUNDED, LIMIT).await });
    let statuses = run(futures_util::future::join_all(checks));
    assert!(statuses.iter().all(Result::is_ok));
    assert!(platform.asked("Sync") <= 2, "{}", platform.asked("Sync"));
}
