//! Checks out of memory: what is asked of whom, how often, and what counts how long.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use crate::support::authority::{BOUNDED, Isolate, LIMIT, token};
use crate::support::platform::{LedgerFault, TestPlatform};
use crate::support::run;
use crate::support::shards::{SETTLING, SMALL};
use edge_logout::ports::Clock;
use edge_logout::revocation::Freshness::{Bounded, Eventual, Strong};
use edge_logout::revocation::{Freshness, Scope, Status};
use edge_logout::time::Timestamp;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const BOUND: Duration = Duration::from_secs(1);

/// Lets so many milliseconds pass.
fn pass(platform: &TestPlatform, millis: u64) {
    platform.pass(Duration::from_millis(millis));
}

/// How many syncs, other calls of the ledger, and reads of the index there were.
fn counts(platform: &TestPlatform) -> (usize, usize, usize) {
    let (syncs, all) = (platform.asked("Sync"), platform.asked.borrow().len());
    (syncs, all - syncs, platform.finds.borrow().len())
}

#[test]
fn within_the_bound_nothing_outside_is_touched() {
    let (platform, isolate, a) = (TestPlatform::imported_at(NOW), Isolate::new(1), token("a"));
    assert!(isolate.is_active(&platform, &a, BOUNDED));
    let first = platform.calls();
    assert_eq!(counts(&platform), (1, 0, 0), "the first check syncs");
    for _ in 0..100 {
        pass(&platform, 10);
        assert!(isolate.is_active(&platform, &a, BOUNDED));
    }
    assert_eq!(platform.calls(), first);
    assert!(isolate.on(&platform).status_from_memory(&a, BOUNDED).is_some(), "so it can be answered without waiting");
}

#[test]
fn the_ledger_is_synced_once_a_bound_whatever_the_number_of_tokens() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
    for bound in 0..10 {
        for name in ["a", "b", "c"] {
            assert!(isolate.is_active(&platform, &token(name), BOUNDED));
        }
        assert_eq!(platform.asked("Sync"), bound + 1);
        pass(&platform, 1_001);
    }
}

#[test]
fn each_bound_is_kept_by_itself() {
    let (platform, isolate, a) = (TestPlatform::at(NOW), Isolate::new(1), token("a"));
    isolate.is_active(&platform, &a, Bounded(Duration::from_mins(1)));
    pass(&platform, 5_000);
    isolate.is_active(&platform, &a, Bounded(Duration::from_secs(5)));
    assert_eq!(platform.asked("Sync"), 1, "exactly as old as allowed");
    isolate.is_active(&platform, &a, Bounded(Duration::from_millis(4_999)));
    assert_eq!(platform.asked("Sync"), 2);
}

#[test]
fn what_counts_is_when_a_sync_was_asked_for_and_not_when_it_was_answered() {
    let (platform, isolate, a) = (TestPlatform::at(NOW), Isolate::new(1), token("a"));
    platform.ledger_faults.borrow_mut().push_back(LedgerFault::Takes(Duration::from_millis(700)));
    isolate.is_active(&platform, &a, BOUNDED);
    pass(&platform, 301);
    isolate.is_active(&platform, &a, BOUNDED);
    assert_eq!(platform.asked("Sync"), 2);
}

#[test]
fn a_logout_elsewhere_is_refused_after_the_bound_though_the_index_shows_nothing() {
    let platform = TestPlatform::at(NOW);
    platform.stale.set(Duration::from_hours(1));
    let (here, elsewhere, a) = (Isolate::new(1), Isolate::new(1), token("a"));
    assert!(here.is_active(&platform, &a, BOUNDED));
    elsewhere.log_out(&platform, "a").unwrap();
    assert!(here.is_active(&platform, &a, BOUNDED), "within the bound it may");
    pass(&platform, 1_001);
    assert_eq!(here.check(&platform, &a, BOUNDED).unwrap().status, Status::Revoked(Scope::Token));
    assert!(here.is_active(&platform, &token("b"), BOUNDED));
}

#[test]
fn own_logouts_are_refused_at_once_under_every_freshness() {
    for isolate in [Isolate::new(1), Isolate::new(4), Isolate::on_kv_alone()] {
        let platform = TestPlatform::at(NOW);
        platform.stale.set(SETTLING);
        isolate.log_out(&platform, "a").unwrap();
        let before = platform.calls();
        for freshness in [Strong, BOUNDED, Eventual] {
            assert!(!isolate.is_active(&platform, &token("a"), freshness), "{freshness:?}");
        }
        assert_eq!(platform.calls(), before, "nobody had to be asked");
    }
}

#[test]
fn a_token_that_was_never_seen_needs_no_read_of_the_index() {
    let (platform, isolate) = (TestPlatform::imported_at(NOW), Isolate::new(1));
    assert!(isolate.is_active(&platform, &token("a"), BOUNDED));
    assert!(isolate.is_active(&platform, &token("b"), BOUNDED));
    assert_eq!(counts(&platform), (1, 0, 0), "nor anything else");
    assert!(isolate.is_active(&platform, &token("c"), Strong));
    assert_eq!(counts(&platform), (2, 0, 0), "the ledger alone");
    assert!(isolate.is_active(&platform, &token("d"), Eventual));
    assert_eq!(counts(&platform), (2, 0, 1), "which is what Workers KV alone says");
}

#[test]
fn what_settled_long_ago_is_refused_without_the_index_by_who_has_never_seen_it() {
    let platform = TestPlatform::imported_at(NOW);
    Isolate::new(1).log_out(&platform, "a").unwrap();
    platform.live_on(Duration::from_mins(30));
    assert_eq!(platform.index.borrow().len(), 1);
    platform.index.borrow_mut().clear();
    for freshness in [BOUNDED, Strong] {
        assert!(!Isolate::new(1).is_active(&platform, &token("a"), freshness));
    }
    let isolate = Isolate::new(1);
    assert!(isolate.is_active(&platform, &token("b"), BOUNDED));
    assert!(isolate.on(&platform).status_from_memory(&token("a"), BOUNDED).is_some(), "from memory");
    assert!(platform.finds.borrow().is_empty());
}

#[test]
fn an_isolate_that_has_slept_while_entries_were_sealed_begins_anew() {
    let (platform, here, elsewhere) = (TestPlatform::imported_at(NOW), Isolate::new(1), Isolate::new(1));
    platform.stale.set(Duration::from_hours(9));
    platform.sizes.set(Some(SMALL));
    let a = token("a");
    assert!(here.is_active(&platform, &a, BOUNDED));
    for number in 0..40 {
        elsewhere.log_out(&platform, if number == 7 { "a".to_owned() } else { number.to_string() }.as_str()).unwrap();
        platform.live_on(Duration::from_millis(300));
    }
    platform.live_on(Duration::from_mins(1));
    platform.move_elsewhere();
    assert!(platform.with_shard(0, |ledger| ledger.rows.log.len() < 20), "most of it is in segments");
    assert!(!here.is_active(&platform, &a, BOUNDED));
    assert!(!here.is_active(&platform, &token("39"), BOUNDED) && here.is_active(&platform, &token("40"), BOUNDED));
}

/// Both instances of the ledger that an isolate meets here have one entry: the versions alone say nothing.
#[test]
fn another_history_of_the_ledger_is_noticed() {
    for freshness in [BOUNDED, Strong] {
        let (platform, isolate) = (TestPlatform::imported_at(NOW), Isolate::new(1));
        Isolate::new(1).log_out(&platform, "lost").unwrap();
        assert!(isolate.is_active(&platform, &token("a"), freshness));
        platform.ledger.borrow_mut().clear();
        platform.move_elsewhere();
        Isolate::new(1).log_out(&platform, "a").unwrap();
        pass(&platform, 1_001);
        assert!(!isolate.is_active(&platform, &token("a"), freshness), "{freshness:?}");
        assert!(isolate.is_active(&platform, &token("b"), freshness), "and it goes on");
        assert!(!platform.finds.borrow().is_empty(), "Workers KV may have what the ledger has lost");
    }
}

#[test]
fn strong_syncs_every_time_and_asks_nobody_else() {
    let (platform, isolate, a) = (TestPlatform::imported_at(NOW), Isolate::new(1), token("a"));
    for seconds in [0, 0, 299, 1, 10] {
        platform.pass(Duration::from_secs(seconds));
        assert!(isolate.is_active(&platform, &a, Strong));
    }
    assert_eq!(counts(&platform), (5, 0, 0));
    Isolate::new(1).log_out(&platform, "a").unwrap();
    assert!(!isolate.is_active(&platform, &a, Strong), "at once");
}

#[test]
fn eventual_asks_the_index_every_time_and_nobody_else() {
    for isolate in [Isolate::on_kv_alone(), Isolate::new(1)] {
        let (platform, a) = (TestPlatform::at(NOW), token("a"));
        for _ in 0..3 {
            assert!(isolate.is_active(&platform, &a, Eventual));
        }
        assert_eq!(counts(&platform), (0, 0, 3));
        Isolate::on_kv_alone().log_out(&platform, "a").unwrap();
        assert!(!isolate.is_active(&platform, &a, Eventual));
    }
}

#[test]
fn about_half_way_through_the_bound_a_refresh_is_wanted_once() {
    let (platform, isolate, a) = (TestPlatform::imported_at(NOW), Isolate::new(1), token("a"));
    let wants = |platform: &TestPlatform| isolate.replica.wants_refresh(BOUND, platform.now());
    assert!(!wants(&platform), "a ledger that nobody uses is not asked");
    isolate.is_active(&platform, &a, BOUNDED);
    pass(&platform, 399);
    assert!(!wants(&platform));
    pass(&platform, 202);
    assert!(wants(&platform));
    run(isolate.on(&platform).refresh(BOUND));
    assert!(!wants(&platform) && platform.asked("Sync") == 2);
    pass(&platform, 999);
    assert!(isolate.is_active(&platform, &a, BOUNDED));
    assert_eq!(platform.asked("Sync"), 2, "no check had to wait");
}

#[test]
fn a_refresh_that_fails_is_tried_again_and_harms_nobody() {
    let (platform, isolate, a) = (TestPlatform::at(NOW), Isolate::new(1), token("a"));
    isolate.is_active(&platform, &a, BOUNDED);
    pass(&platform, 601);
    platform.ledger_faults.borrow_mut().push_back(LedgerFault::Hangs);
    run(isolate.on(&platform).refresh(BOUND));
    assert!(!isolate.replica.wants_refresh(BOUND, platform.now()), "the breaker pauses");
    pass(&platform, 250);
    assert!(isolate.replica.wants_refresh(BOUND, platform.now()));
    assert_eq!(isolate.check(&platform, &a, BOUNDED).unwrap().freshness, BOUNDED);
}

#[test]
fn a_clock_that_is_set_back_says_nothing_of_how_long_ago_a_sync_was() {
    let (platform, here, elsewhere) = (TestPlatform::at(NOW), Isolate::new(1), Isolate::new(1));
    platform.stale.set(Duration::from_hours(1));
    let a = token("a");
    assert!(here.is_active(&platform, &a, BOUNDED));
    platform.skew.set(-3_600_000);
    pass(&platform, 10);
    elsewhere.log_out(&platform, "a").unwrap();
    pass(&platform, 1_001);
    assert!(!here.is_active(&platform, &a, BOUNDED));
    assert!(here.is_active(&platform, &token("b"), BOUNDED), "and it goes on");
}

/// A clock that is set back so far that times before and after it look alike must not let a forgotten revocation pass.
#[test]
fn what_was_asked_before_the_clock_was_set_back_counts_never_again() {
    let (platform, here, elsewhere) = (TestPlatform::at(NOW), Isolate::new(1), Isolate::new(1));
    platform.stale.set(Duration::from_mins(1));
    let a = token("a");
    assert!(here.is_active(&platform, &a, BOUNDED));
    elsewhere.log_out(&platform, "a").unwrap();
    platform.pass(Duration::from_secs(2));
    here.is_active(&platform, &token("b"), BOUNDED);
    platform.skew.set(-600_000);
    for _ in 0..125 {
        platform.live_on(Duration::from_secs(5));
        here.is_active(&platform, &token("b"), BOUNDED);
    }
    assert!(!here.is_active(&platform, &a, BOUNDED));
}

#[test]
fn a_promise_that_is_kept_is_told() {
    let (platform, isolate, a) = (TestPlatform::at(NOW), Isolate::new(1), token("a"));
    for freshness in [Strong, BOUNDED, Bounded(Duration::from_secs(7)), Eventual] {
        let told = run(isolate.on(&platform).status(&a, freshness, LIMIT)).unwrap().freshness;
        assert_eq!(told, freshness);
    }
    assert_eq!(Freshness::DEFAULT, Bounded(BOUND));
}
