//! A new ledger: what Workers KV has from before is found from the first minute, and imported.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use crate::support::asking::Asking;
use crate::support::authority::{BOUNDED, Isolate, LIMIT, token};
use crate::support::platform::{Fault, TestPlatform};
use crate::support::request::TestRequest;
use crate::support::run;
use crate::support::tokens::TestToken;
use edge_logout::ports::{Clock, IndexError};
use edge_logout::revocation::Freshness::Strong;
use edge_logout::revocation::ledger::LedgerRules;
use edge_logout::revocation::{AuthorityError, Status};
use edge_logout::time::Timestamp;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const MINUTE: Duration = Duration::from_mins(1);

/// A platform whose index has logouts from before there was a ledger.
fn before_the_ledger(count: usize) -> TestPlatform {
    let platform = TestPlatform::at(NOW);
    for number in 0..count {
        Isolate::on_kv_alone().log_out(&platform, &format!("before-{number}")).unwrap();
    }
    platform
}

#[test]
fn until_everything_is_imported_the_index_is_asked_as_well_and_afterwards_never() {
    for shards in [1, 4] {
        let (platform, isolate) = (before_the_ledger(25), Isolate::new(shards));
        for freshness in [BOUNDED, Strong] {
            assert!(!isolate.is_active(&platform, &token("before-7"), freshness));
            assert!(isolate.is_active(&platform, &token("good"), freshness));
        }
        // Every shard has to have been asked once.
        let tokens: Vec<_> = (0..50).map(|number| token(&number.to_string())).collect();
        run(isolate.on(&platform).statuses(&tokens.iter().collect::<Vec<_>>(), BOUNDED, LIMIT));
        platform.live_on(4 * MINUTE);
        platform.index.borrow_mut().clear();
        platform.finds.borrow_mut().clear();
        for isolate in [isolate, Isolate::new(shards)] {
            for freshness in [BOUNDED, Strong] {
                let is_ended = |n: usize| !isolate.is_active(&platform, &token(&format!("before-{n}")), freshness);
                assert!((0..25).all(is_ended), "{shards}, {freshness:?}");
                assert!(isolate.is_active(&platform, &token("good"), freshness));
            }
        }
        assert!(platform.finds.borrow().is_empty());
        assert!(platform.puts.borrow().len() == 25, "what was read there is not written there again");
    }
}

#[test]
fn while_it_imports_a_token_that_the_index_does_not_have_is_looked_for_once_in_a_bound() {
    let (platform, isolate, good) = (before_the_ledger(1), Isolate::new(1), token("good"));
    let finds = |freshness| {
        platform.finds.borrow_mut().clear();
        assert!(isolate.is_active(&platform, &good, freshness));
        platform.finds.borrow().len()
    };
    assert_eq!((finds(BOUNDED), finds(BOUNDED), finds(Strong), finds(Strong)), (1, 0, 1, 1));
    platform.pass(Duration::from_millis(1));
    assert_eq!(finds(BOUNDED), 0);
    platform.pass(BOUNDED.bound().unwrap());
    assert_eq!(finds(BOUNDED), 1);
    platform.skew.set(-1_000);
    assert!(!isolate.is_active(&platform, &token("before-0"), BOUNDED));
    platform.pass(Duration::from_millis(1_001));
    assert_eq!(finds(BOUNDED), 1, "nobody knows how long ago it was");
}

/// A location that asked before may be shown what it saw then; the listing may be as old.
#[test]
fn what_is_written_just_before_the_ledger_is_found_though_workers_kv_takes_its_time() {
    let platform = before_the_ledger(1);
    platform.stale.set(MINUTE);
    let isolate = Isolate::new(1);
    isolate.check(&platform, &token("x"), BOUNDED).unwrap();
    platform.live_on(MINUTE);
    assert!(!isolate.is_active(&platform, &token("before-0"), BOUNDED));
    platform.live_on(4 * MINUTE);
    platform.index.borrow_mut().clear();
    platform.written.borrow_mut().clear();
    assert!(!Isolate::new(1).is_active(&platform, &token("before-0"), BOUNDED));
}

#[test]
fn a_listing_that_fails_is_repeated_and_nothing_counts_as_imported_before() {
    let (platform, isolate) = (before_the_ledger(25), Isolate::new(1));
    isolate.check(&platform, &token("x"), BOUNDED).unwrap();
    platform.list_faults.borrow_mut().extend([Fault::Short, Fault::Error(IndexError::Transient)]);
    platform.live_on(2 * MINUTE + Duration::from_secs(5));
    assert_eq!(*platform.failures.borrow(), [("import_failed", IndexError::Transient)]);
    assert!(platform.with_shard(0, |ledger| (1..25).contains(&ledger.rows.log.len())), "a page was read");
    assert!(!Isolate::new(1).is_active(&platform, &token("before-24"), BOUNDED));
    assert!(!platform.finds.borrow().is_empty());
    platform.live_on(MINUTE);
    platform.index.borrow_mut().clear();
    assert!(!Isolate::new(1).is_active(&platform, &token("before-24"), BOUNDED));
    assert!(!Isolate::new(1).is_active(&platform, &token("before-0"), BOUNDED));
}

/// While both run, a gradual deployment for one, the old version writes where the ledger does not see it.
#[test]
fn what_a_version_without_a_ledger_writes_until_the_declared_moment_is_found() {
    let platform = TestPlatform::at(NOW);
    let isolate = || {
        let rules = LedgerRules { shards: 1, kv_written_until: Some(NOW.plus(30 * MINUTE)) };
        Isolate { ledger: Some(rules), ..Isolate::new(1) }
    };
    assert!(isolate().is_active(&platform, &token("late"), BOUNDED));
    platform.live_on(29 * MINUTE);
    Isolate::on_kv_alone().log_out(&platform, "late").unwrap();
    for freshness in [BOUNDED, Strong] {
        assert!(!isolate().is_active(&platform, &token("late"), freshness));
    }
    platform.live_on(5 * MINUTE);
    platform.index.borrow_mut().clear();
    platform.finds.borrow_mut().clear();
    assert!(!isolate().is_active(&platform, &token("late"), BOUNDED), "imported");
    assert!(isolate().is_active(&platform, &token("good"), BOUNDED));
    assert!(platform.finds.borrow().is_empty());
}

#[test]
fn an_entry_that_cannot_be_read_is_imported_and_revokes() {
    let (platform, isolate) = (before_the_ledger(1), Isolate::new(1));
    platform.index.borrow_mut().values_mut().for_each(|entry| "?".clone_into(&mut entry.value));
    assert!(!isolate.is_active(&platform, &token("before-0"), BOUNDED));
    platform.live_on(4 * MINUTE);
    platform.index.borrow_mut().clear();
    assert!(!Isolate::new(1).is_active(&platform, &token("before-0"), BOUNDED));
}

#[test]
fn a_logout_is_recorded_though_workers_kv_cannot_be_read() {
    use IndexError::{Permanent, RateLimited, Transient};
    let faults = [Transient, Permanent, RateLimited].map(Fault::Error);
    for fault in faults.into_iter().chain([Fault::Hangs, Fault::Short]) {
        let asking = Asking::shipped();
        let logout = TestRequest::post("/customer/logout").bearer(&TestToken::of("worth").sign());
        asking.platform.find_faults.borrow_mut().extend([fault; 9]);
        assert_eq!(asking.send(&logout).reply.status, 200, "{fault:?}");
        assert_eq!(asking.platform.asked("Record"), 1);
        assert!(asking.platform.now().since(NOW) < Duration::from_secs(2), "{fault:?}");
    }
}

/// Only of what the ledger has, the word is enough.
#[test]
fn a_check_fails_closed_while_workers_kv_cannot_be_read() {
    let (platform, isolate) = (before_the_ledger(1), Isolate::new(1));
    isolate.log_out(&platform, "own").unwrap();
    for freshness in [BOUNDED, Strong] {
        platform.find_faults.borrow_mut().extend([Fault::Error(IndexError::Transient); 3]);
        for name in ["before-0", "good"] {
            let doubt = Isolate::new(1).check(&platform, &token(name), freshness);
            assert_eq!(doubt, Err(AuthorityError::Index(IndexError::Transient)), "{name}");
        }
        let known = Isolate::new(1).check(&platform, &token("own"), freshness);
        assert!(matches!(known.unwrap().status, Status::Revoked(_)));
        platform.find_faults.borrow_mut().clear();
    }
}

/// Its verdict and whether Workers KV is to be asked belong to one state of the replica.
#[test]
fn a_check_whose_sync_came_before_the_import_ended_asks_workers_kv() {
    use crate::support::platform::LedgerFault;
    let (platform, isolate) = (before_the_ledger(1), Isolate::new(1));
    isolate.check(&platform, &token("x"), BOUNDED).unwrap();
    platform.live_on(MINUTE);
    platform.ledger_faults.borrow_mut().push_back(LedgerFault::AnswersAfter(Duration::from_secs(1)));
    let (a, authority) = (token("before-0"), isolate.on(&platform));
    let check = authority.status(&a, Strong, LIMIT);
    assert!(matches!(run(check).unwrap().status, Status::Revoked(_)));
}
