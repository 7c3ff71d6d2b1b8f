//! Strong checks beside each other: a sync serves all that began before it was asked for, and no other.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use crate::support::authority::{Isolate, LIMIT, ending, token};
use crate::support::platform::{Fault, LedgerFault, TestPlatform};
use crate::support::shards::{SMALL, setup};
use crate::support::{clock, run};
use edge_logout::ports::{Clock, LedgerError};
use edge_logout::revocation::Freshness::{Bounded, Strong};
use edge_logout::revocation::{AuthorityError, Status};
use edge_logout::time::Timestamp;
use edge_logout::wait::within;
use futures_util::future::{join, join_all};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn hundreds_at_once_cost_a_call_or_two() {
    for fault in [LedgerFault::Takes(millis(50)), LedgerFault::AnswersAfter(millis(50))] {
        let (platform, isolate) = (TestPlatform::imported_at(NOW), Isolate::new(1));
        platform.ledger_down.set(Some(fault));
        let tokens: Vec<_> = (0..500).map(|number| token(&number.to_string())).collect();
        let checks = tokens.iter().map(|token| async { isolate.on(&platform).status(token, Strong, LIMIT).await });
        let statuses = run(join_all(checks));
        assert!(statuses.iter().all(|known| known.unwrap().status == Status::Active));
        assert!(platform.asked.borrow().len() <= 2, "{} calls", platform.asked.borrow().len());
        assert!(platform.now().since(NOW) <= millis(110));
    }
}

/// Were each of them to ask, a new version would overload the shards.
#[test]
fn a_new_isolate_loads_its_segments_before_it_asks_about_tokens() {
    for freshness in [Strong, Bounded(millis(1_000))] {
        let platform = TestPlatform::imported_at(NOW);
        platform.sizes.set(Some(SMALL));
        for number in 0..40 {
            platform.record(setup(0, 1), vec![ending(&format!("ended-{number}"), NOW)]);
        }
        platform.live_on(millis(20_000));
        assert!(!platform.segments.borrow().is_empty(), "sealed");
        let isolate = Isolate::new(1);
        let tokens: Vec<_> = (0..100).map(|number| token(&number.to_string())).collect();
        let checks = tokens.iter().map(|token| async { isolate.on(&platform).status(token, freshness, LIMIT).await });
        assert!(run(join_all(checks)).iter().all(|known| known.unwrap().status == Status::Active));
        assert_eq!(platform.asked("Confirm"), 0, "{freshness:?}");
        assert!(!isolate.is_active(&platform, &token("ended-3"), freshness));
    }
}

/// A request waits for filters for a second at most, and may end while it loads one.
#[test]
fn a_segment_whose_load_is_abandoned_is_loaded_by_the_next_request() {
    let platform = TestPlatform::imported_at(NOW);
    platform.sizes.set(Some(SMALL));
    for number in 0..40 {
        platform.record(setup(0, 1), vec![ending(&format!("ended-{number}"), NOW)]);
    }
    platform.live_on(millis(20_000));
    let isolate = Isolate::new(1);
    platform.find_faults.borrow_mut().extend([Fault::Hangs; 6]);
    let authority = isolate.on(&platform);
    let known = run(authority.status(&token("good"), Strong, LIMIT)).unwrap();
    assert_eq!(known.status, Status::Active, "the shard has confirmed it");
    platform.find_faults.borrow_mut().clear();
    run(authority.load_segments());
    let asked = platform.asked("Confirm");
    for number in 0..100 {
        assert!(isolate.is_active(&platform, &token(&number.to_string()), Strong));
    }
    assert_eq!(platform.asked("Confirm"), asked, "every filter is there");
}

/// Checks begin all the time, logouts are recorded all the time, and answers take longer than both are apart.
#[test]
fn each_relies_on_a_sync_that_was_asked_for_after_it_began() {
    for (fault, calls) in [
        (LedgerFault::AnswersAfter(millis(100)), 16),
        (LedgerFault::Takes(millis(100)), 16),
        (LedgerFault::Takes(millis(1)), 400),
    ] {
        let (platform, isolate) = (TestPlatform::imported_at(NOW), Isolate::new(1));
        platform.ledger_down.set(Some(fault));
        let checks = (0..300_u64).map(|number| {
            let (platform, isolate) = (&platform, &isolate);
            async move {
                clock::sleep(millis(number * 5)).await;
                let name = format!("user-{}", number % 15);
                let began_at = platform.now();
                let known = isolate.on(platform).status(&token(&name), Strong, LIMIT).await.unwrap();
                let is_active = known.status == Status::Active;
                (number % 15, began_at, platform.now(), is_active)
            }
        });
        let logouts = async {
            for user in 0..15 {
                clock::sleep(millis(97)).await;
                platform.record(setup(0, 1), vec![ending(&format!("user-{user}"), platform.now())]);
            }
        };
        let (seen, ()) = run(join(join_all(checks), logouts));
        for (user, began_at, ended_at, is_active) in seen {
            let logged_out_at = NOW.plus(millis(97 * (user + 1)));
            if is_active {
                assert!(began_at <= logged_out_at, "user {user}: began {began_at:?}, logged out {logged_out_at:?}");
            } else {
                assert!(ended_at >= logged_out_at, "user {user}");
            }
            assert!(ended_at.since(began_at) <= millis(205), "a sync that had begun, and one of its own");
        }
        let asked = platform.asked.borrow().len();
        assert!(asked <= calls, "{asked} calls");
    }
}

/// A clock that stands still orders nothing: the logout and the check have the same millisecond.
#[test]
fn in_one_moment_too() {
    let (platform, isolate) = (TestPlatform::imported_at(NOW), Isolate::new(1));
    for number in 0..100 {
        let name = number.to_string();
        assert!(isolate.is_active(&platform, &token(&name), Strong));
        Isolate::new(1).log_out(&platform, &name).unwrap();
        assert!(!isolate.is_active(&platform, &token(&name), Strong));
    }
    assert_eq!(platform.now(), NOW);
}

#[test]
fn a_sync_whose_request_is_dropped_holds_nobody_up() {
    let (platform, isolate, a, b) = (TestPlatform::imported_at(NOW), Isolate::new(1), token("a"), token("b"));
    platform.ledger_faults.borrow_mut().push_back(LedgerFault::Hangs);
    let authority = isolate.on(&platform);
    let dropped = within::<TestPlatform, _>(millis(30), authority.status(&a, Strong, LIMIT));
    let waiting = async {
        clock::sleep(millis(10)).await;
        authority.status(&b, Strong, LIMIT).await
    };
    let (gone, known) = run(join(dropped, waiting));
    assert_eq!((gone, known.unwrap().status), (None, Status::Active));
    assert!(platform.now().since(NOW) <= millis(38), "a quarter longer than it has waited by then");
}

/// The runtime may never resume a request; it does not say so.
#[test]
fn a_sync_whose_request_is_frozen_holds_others_up_for_less_than_a_second() {
    let (platform, isolate, a) = (TestPlatform::imported_at(NOW), Isolate::new(1), token("a"));
    platform.ledger_faults.borrow_mut().push_back(LedgerFault::Hangs);
    let authority = isolate.on(&platform);
    let mut frozen = Box::pin(authority.status(&a, Strong, LIMIT));
    assert_eq!(run(within::<TestPlatform, _>(millis(10), &mut frozen)), None);
    let tokens: Vec<_> = (0..200).map(|number| token(&number.to_string())).collect();
    let checks = tokens.iter().map(|token| async { isolate.on(&platform).status(token, Strong, LIMIT).await });
    assert!(run(join_all(checks)).iter().all(Result::is_ok));
    assert!(platform.now().since(NOW) <= millis(800), "{:?}", platform.now().since(NOW));
    assert!(platform.asked.borrow().len() <= 3);
    drop(frozen);
}

#[test]
fn when_every_sync_hangs_nobody_waits_longer_than_for_one_call() {
    for freshness in [Strong, Bounded(Duration::from_secs(1))] {
        let (platform, isolate) = (TestPlatform::imported_at(NOW), Isolate::new(1));
        platform.ledger_down.set(Some(LedgerFault::Hangs));
        let tokens: Vec<_> = (0..200_u64).map(|number| token(&number.to_string())).collect();
        let check = |(number, token): (u64, _)| {
            let (platform, isolate): (&TestPlatform, &Isolate) = (&platform, &isolate);
            async move {
                clock::sleep(millis(10 * number)).await;
                let begin = platform.now();
                let doubt = isolate.on(platform).status(token, freshness, LIMIT).await;
                assert_eq!(doubt, Err(AuthorityError::Ledger(LedgerError::TimedOut)));
                platform.now().since(begin)
            }
        };
        let longest = run(join_all((0..).zip(&tokens).map(check))).into_iter().max().unwrap();
        assert!(longest <= millis(1_700), "{longest:?}");
        assert!(platform.asked.borrow().len() <= 8, "{} calls", platform.asked.borrow().len());
    }
}
