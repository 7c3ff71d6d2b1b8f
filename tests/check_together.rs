//! Checks beside each other: requests of one isolate, and isolates of one location, hear the feed for each other.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use crate::support::authority::{BOUNDED, Isolate, LIMIT, token};
use crate::support::platform::{LedgerFault, TestPlatform};
use crate::support::run;
use edge_logout::ports::{Clock, LedgerError, within};
use edge_logout::time::Timestamp;
use futures_util::future::{Either, select};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// Lets so many milliseconds pass.
fn pass(platform: &TestPlatform, millis: u64) {
    platform.pass(Duration::from_millis(millis));
}

#[test]
fn a_recent_answer_of_another_isolate_of_the_location_does_too() {
    let (platform, one, other) = (TestPlatform::at(NOW), Isolate::new(1), Isolate::new(1));
    for round in 0..10 {
        one.is_active(&platform, &token("a"), BOUNDED);
        pass(&platform, 100);
        other.is_active(&platform, &token("b"), BOUNDED);
        assert_eq!(platform.asked("Changes"), round + 1, "two isolates, one poll");
        pass(&platform, 1_001);
    }
}

#[test]
fn a_shared_answer_is_as_old_as_its_poll() {
    let (platform, one, other) = (TestPlatform::at(NOW), Isolate::new(1), Isolate::new(1));
    one.is_active(&platform, &token("a"), BOUNDED);
    pass(&platform, 900);
    other.is_active(&platform, &token("a"), BOUNDED);
    pass(&platform, 101);
    one.log_out(&platform, "a").unwrap();
    other.is_active(&platform, &token("a"), BOUNDED);
    assert_eq!(platform.asked("Changes"), 2, "its own poll, as the shared one is 1,001 ms old by now");
}

/// What a new isolate polls when this is what its location shares.
fn polls_beside(millis_later: u64, text: impl FnOnce(String) -> String) -> usize {
    let platform = TestPlatform::at(NOW);
    Isolate::new(1).is_active(&platform, &token("a"), BOUNDED);
    let shared = text(platform.shared.borrow()["feed-0"].clone());
    platform.shared.borrow_mut().insert("feed-0".to_owned(), shared);
    pass(&platform, millis_later);
    assert!(Isolate::new(1).is_active(&platform, &token("b"), BOUNDED));
    platform.asked("Changes") - 1
}

#[test]
fn what_is_shared_is_used_only_when_it_is_recent_and_makes_sense() {
    let asked_at = NOW.as_millis().to_string();
    let future = (NOW.as_millis() + 1_500).to_string();
    assert_eq!(polls_beside(1_000, |text| text), 0);
    assert_eq!(polls_beside(1_001, |text| text), 1, "too old");
    assert_eq!(polls_beside(1_000, |text| text.replace(&asked_at, &future)), 1, "asked for in the future");
    assert_eq!(polls_beside(0, |_| "no JSON".to_owned()), 1);
    assert_eq!(polls_beside(0, |text| text.replace("\"after\":0", "\"after\":7")), 1, "leads on from somewhere else");
    assert_eq!(polls_beside(0, |text| text.replace("\"is_complete\":true", "\"is_complete\":false")), 1);
}

#[test]
fn many_requests_at_once_hear_the_feed_once() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
    platform.ledger_down.set(Some(LedgerFault::Takes(Duration::from_millis(50))));
    let names: Vec<_> = (0..100).map(|number| token(&number.to_string())).collect();
    let checks = names.iter().map(|token| async { isolate.on(&platform).status(token, BOUNDED, LIMIT).await });
    let statuses = run(futures_util::future::join_all(checks));
    assert!(statuses.iter().all(|known| known.unwrap().freshness == BOUNDED));
    assert_eq!(platform.asked("Changes"), 1);
}

#[test]
fn isolates_of_a_location_poll_one_at_a_time() {
    let platform = TestPlatform::at(NOW);
    platform.ledger_down.set(Some(LedgerFault::Takes(Duration::from_millis(50))));
    let isolates: Vec<_> = (0..20).map(|_| Isolate::new(1)).collect();
    let a = token("a");
    for round in 1..4 {
        let checks = isolates.iter().map(|isolate| async { isolate.on(&platform).status(&a, BOUNDED, LIMIT).await });
        let statuses = run(futures_util::future::join_all(checks));
        assert!(statuses.iter().all(|known| known.unwrap().freshness == BOUNDED));
        assert_eq!(platform.asked("Changes"), round);
        pass(&platform, 1_001);
    }
}

#[test]
fn a_poll_that_another_isolate_never_ends_is_not_waited_for_long() {
    let (platform, a) = (TestPlatform::at(NOW), token("a"));
    platform.ledger_faults.borrow_mut().push_back(LedgerFault::Hangs);
    let (gone, other) = (Isolate::new(1), Isolate::new(1));
    let authority = gone.on(&platform);
    assert_eq!(run(within::<TestPlatform, _>(Duration::from_millis(1), authority.status(&a, BOUNDED, LIMIT))), None);
    assert_eq!(other.check(&platform, &a, BOUNDED).unwrap().freshness, BOUNDED);
    assert!(platform.now().since(NOW) < Duration::from_secs(1), "{:?}", platform.now());
    assert!(platform.recalls.get() <= 16, "{} calls: a request has only so many", platform.recalls.get());
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
            .filter(|isolate| isolate.memory.wants_refresh(second, NOW.plus(Duration::from_millis(millis))))
            .count()
    };
    assert_eq!(due(399), 0);
    assert!((1..40).contains(&due(500)), "{}", due(500));
    assert_eq!(due(602), 40);
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
fn when_the_feed_fails_nobody_waits_for_it_in_turn() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
    platform.ledger_faults.borrow_mut().push_back(LedgerFault::Error(LedgerError::Failed));
    let names: Vec<_> = (0..100).map(|number| token(&number.to_string())).collect();
    let checks = names.iter().map(|token| async { isolate.on(&platform).status(token, BOUNDED, LIMIT).await });
    let statuses = run(futures_util::future::join_all(checks));
    assert!(statuses.iter().all(Result::is_ok));
    assert!(platform.asked("Changes") <= 2, "{}", platform.asked("Changes"));
}
